package scgpt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	_ "github.com/seed-ab6af24b/troupe/scgpt/compute/cpu" // the device that is always there
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

// Version of the agent. It stands in shard files and results; it changes when
// the bytes of a result may.
const Version = "0.1.0"

// Options of the agent.
type Options struct {
	// Models is the folder of the models, one folder each.
	Models string
	// DefaultModel is the model of requests that name none; empty means the
	// only one in Models, else scGPT_human.
	DefaultModel string
	// Device is the name of the device as in compute.Open; empty means cpu.
	Device string
	// Precision of the products; empty means fp32.
	Precision compute.Precision
	// Threads limits the threads of a CPU device; 0 means GOMAXPROCS.
	Threads int
	// Roots are the folders that inputs and outputs must lie in; none means
	// the working directory.
	Roots []string
	// Out is the folder of outputs whose request names none, relative to the
	// first root; empty means out.
	Out string
	// Logger takes the agent's log; nil means slog.Default.
	Logger *slog.Logger
}

// Agent is the scGPT agent. Make it with [New].
type Agent struct {
	agent.Base
	opts Options
	log  *slog.Logger

	// Set by Start, released by Stop; activities run in between only.
	roots  *storage.Roots
	models *models
	inputs inputs
	opened openCells
	// turn holds one token: who has it may use the device. Waiting holds no
	// memory.
	turn chan struct{}
	// speed is the floating-point operations per second that the first
	// forward pass of a model showed, to size shards.
	speed speedometer
}

var (
	_ agent.Agent            = (*Agent)(nil)
	_ agent.Starter          = (*Agent)(nil)
	_ agent.Stopper          = (*Agent)(nil)
	_ agent.WorkerConfigurer = (*Agent)(nil)
)

// New returns the agent. Nothing is opened before Start.
func New(opts Options) *Agent {
	opts.Device = cmp.Or(opts.Device, "cpu")
	opts.Precision = cmp.Or(opts.Precision, compute.FP32)
	opts.Out = cmp.Or(opts.Out, "out")
	if len(opts.Roots) == 0 {
		opts.Roots = []string{"."}
	}
	log := opts.Logger
	if log == nil {
		log = slog.Default()
	}
	return &Agent{Base: api.Domain.Base(), opts: opts, log: log}
}

// Activities implements agent.Agent.
func (a *Agent) Activities() []agent.Binding {
	return agent.Bind(
		api.PlanCells.To(a.planCells),
		api.EmbedShard.To(a.embedShard),
		api.AnnotateCellTypes.To(a.annotateCellTypes),
		api.DiscardShards.To(a.discardShards),
		api.GetGeneEmbeddings.To(a.getGeneEmbeddings),
	)
}

// Workflows implements agent.Agent.
func (a *Agent) Workflows() []agent.Binding {
	return agent.Bind(api.Analysis.To(analysis))
}

// ConfigureWorker implements agent.WorkerConfigurer.
func (a *Agent) ConfigureWorker(o *worker.Options) {
	// One activity computes while the next one opens its file or writes its
	// result. More slots would take shards from the queue that another worker
	// could compute.
	o.MaxConcurrentActivityExecutionSize = 2
	o.DisableEagerActivities = true
	// A cancellation comes with the answer to a heartbeat, and the SDK holds
	// heartbeats back for 0.8 of their timeout unless told otherwise.
	o.MaxHeartbeatThrottleInterval = time.Second
	o.DefaultHeartbeatThrottleInterval = time.Second
}

// Start opens the device and loads the default model, if there is one.
func (a *Agent) Start(ctx context.Context) error {
	roots, err := storage.NewRoots(a.opts.Roots...)
	if err != nil {
		return err
	}
	a.roots = roots
	dev, err := compute.Open(a.opts.Device, compute.Options{Precision: a.opts.Precision, Threads: a.opts.Threads})
	if err != nil {
		// Another attempt would find the same device: the options are wrong.
		return retry.InvalidData.Wrap(err)
	}
	a.turn = make(chan struct{}, 1)
	a.turn <- struct{}{}
	a.models = newModels(a.opts.Models, a.opts.DefaultModel, dev)
	eng, err := a.models.get("")
	var none *engine.ModelNotFoundError
	switch {
	case errors.As(err, &none) && none.Name == "" && none.Err == nil:
		a.log.Info("no default model", "models", a.opts.Models, "reason", err)
	case err != nil:
		return err
	default:
		if err := a.speed.measure(ctx, eng); err != nil {
			return fmt.Errorf("first pass of the model %s: %w", eng.Name(), err)
		}
		a.log.Info("model loaded", "model", eng.Name(), "fingerprint", eng.Fingerprint(), "device", dev.Class())
	}
	return nil
}

// Stop releases models and device.
func (a *Agent) Stop(context.Context) error {
	if a.models == nil {
		return nil
	}
	a.opened.close()
	err := a.models.close()
	a.models = nil
	return err
}

// useDevice runs f when it is its turn.
func (a *Agent) useDevice(ctx context.Context, f func() error) error {
	select {
	case <-a.turn:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { a.turn <- struct{}{} }()
	return f()
}

// outputPath returns where the result of an input goes.
func (a *Agent) outputPath(out, fallback string) (string, error) {
	if out == "" {
		out = filepath.Join(a.opts.Out, fallback)
	}
	return a.roots.Output(out)
}
