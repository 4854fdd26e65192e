package scgpt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/agent/lease"
	"github.com/seed-ab6af24b/troupe/agent/memo"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	_ "github.com/seed-ab6af24b/troupe/scgpt/compute/cpu" // the device that is always there
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

// Version of the agent. It stands in shard files, stored results and outputs; it
// changes when the bytes of a result may.
const Version = "0.2.0"

// Agent is the scGPT agent. Make it with [New].
type Agent struct {
	agent.Base
	opts Options
	log  *slog.Logger

	// Set by Start, released by Stop; activities run in between only.
	roots      *storage.Roots
	references *references
	inputs     inputs
	opened     openCells
	memo       *memo.Store
	// dev is the open device and models the loaded models, nil outside of Start
	// and Stop; status pages ask at any time.
	dev    atomic.Pointer[compute.Device]
	models atomic.Pointer[models]
	// device has one token: who holds it may use the device.
	device *lease.Lease
	// lost is why the device cannot be used any more.
	lost atomic.Pointer[compute.DeviceLostError]
	// speed is how fast the device was at best, to size shards.
	speed speedometer
}

var (
	_ agent.Agent            = (*Agent)(nil)
	_ agent.Starter          = (*Agent)(nil)
	_ agent.Stopper          = (*Agent)(nil)
	_ agent.HealthChecker    = (*Agent)(nil)
	_ agent.Describer        = (*Agent)(nil)
	_ agent.WorkerConfigurer = (*Agent)(nil)
)

// New returns the agent. Nothing is opened before Start.
func New(opts Options) *Agent {
	opts = opts.withDefaults()
	return &Agent{Base: api.Domain.Base(), opts: opts, log: opts.Logger}
}

// Activities implements agent.Agent.
func (a *Agent) Activities() []agent.Binding {
	return agent.Bind(
		api.PlanCells.To(a.planCells),
		api.EmbedShard.To(a.embedShard),
		api.AnnotateCellTypes.To(a.annotateCellTypes),
		api.EmbedCells.To(a.embedCells),
		api.IntegrateBatches.To(a.integrateBatches),
		api.GetGeneEmbeddings.To(a.getGeneEmbeddings),
		api.ClusterCells.To(a.clusterCells),
		api.NameCells.To(a.nameCells),
		api.DiscardShards.To(a.discardShards),
	)
}

// Workflows implements agent.Agent.
func (a *Agent) Workflows() []agent.Binding {
	return agent.Bind(
		api.Analysis.To(analysis),
		api.Annotation.To(annotation),
		api.Integration.To(integration),
		api.CellEmbedding.To(cellEmbedding),
		api.GeneEmbedding.To(geneEmbedding),
	)
}

// ConfigureWorker implements agent.WorkerConfigurer.
func (a *Agent) ConfigureWorker(o *worker.Options) {
	// One activity computes while the next one writes its result. More slots
	// would take shards from the queue that another worker could compute.
	o.MaxConcurrentActivityExecutionSize = 2
	o.DisableEagerActivities = true
	// A cancellation comes with the answer to a heartbeat, and the SDK holds
	// heartbeats back for 0.8 of their timeout unless told otherwise.
	o.MaxHeartbeatThrottleInterval = time.Second
	o.DefaultHeartbeatThrottleInterval = time.Second
}

// Start opens the device and loads the default model. With several models and
// none named for the default it loads none, and requests name theirs. A models
// folder without the model, or without a file of it, or one that may not be read, is
// an error that another Start may not meet: a volume may be about to appear in its
// place, or to be filled.
func (a *Agent) Start(ctx context.Context) error {
	roots, err := storage.NewRoots(a.opts.Roots...)
	if err != nil {
		return err
	}
	a.roots = roots
	if !a.opts.NoMemo {
		if a.memo, err = memo.Open(memo.Options{Dir: a.opts.Memo, MaxBytes: a.opts.MemoBytes, Logger: a.log}); err != nil {
			return err
		}
	}
	dev, err := compute.Open(a.opts.Device, compute.Options{Precision: a.opts.Precision, Threads: a.opts.Threads})
	if err != nil {
		// Another attempt would find the same device: the options are wrong.
		return retry.InvalidData.Wrap(err)
	}
	a.dev.Store(&dev)
	a.log.Info("device opened", slices.Concat([]any{"device", dev.Class()}, pairs(a.accelerator()))...)
	a.models.Store(newModels(a.opts, a.log, dev))
	a.references = &references{folder: a.opts.References}
	if a.device, err = a.leaseOf(a.opts.Device); err != nil {
		return err
	}
	a.sweep(ctx)
	eng, err := a.models.Load().get("")
	var none *engine.ModelNotFoundError
	switch {
	case errors.As(err, &none) && none.Name == "" && len(none.There) > 0:
		a.log.Info("no default model", "models", a.opts.Models, "reason", err)
	case none != nil, errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		return errors.New(err.Error()) // without its class, which is a request's, and final
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
	loaded := a.models.Swap(nil)
	if loaded == nil {
		return nil
	}
	a.dev.Store(nil)
	a.opened.close()
	a.references.close()
	return loaded.close()
}
