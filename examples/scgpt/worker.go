package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/agent/codec"
	"github.com/seed-ab6af24b/troupe/agent/memo"
	"github.com/seed-ab6af24b/troupe/foogpt"
	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/registry/ops"
	"github.com/seed-ab6af24b/troupe/scgpt"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// workerFlags are the flags of a program that runs agents.
type workerFlags struct {
	modelFlags
	referenceFlags
	agents      []string
	isolation   string
	memoryLimit float64 // GiB
	roots       []string
	memo        memoFlags
	lease       string
	ops         string
	// observer watches the agents; nil for nobody.
	observer registry.Observer
	layouts  string
	// defaultModel is the model of requests that name none.
	defaultModel string
}

// memoFlags say where results are kept.
type memoFlags struct {
	dir   string
	bytes int64
	none  bool
}

func (f *memoFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.dir, "memo-dir", "", "folder of stored results, which several workers may share (default: TROUPE_MEMO_DIR, else in memory)")
	cmd.Flags().Int64Var(&f.bytes, "memo-bytes", memo.DefaultMaxBytes, "size that the folder of stored results is kept below; -1 is no bound")
}

// folder returns the folder of stored results, "" for none.
func (f memoFlags) folder() string { return cmp.Or(f.dir, os.Getenv("TROUPE_MEMO_DIR")) }

// check finds wrong usage before anything is opened.
func (f memoFlags) check() error {
	if f.bytes < 1 && f.bytes != -1 {
		return usagef("--memo-bytes is %d: want 1 or more, or -1 for no bound (--no-memo stores nothing)", f.bytes)
	}
	return nil
}

func (f *workerFlags) register(cmd *cobra.Command) {
	f.modelFlags.register(cmd)
	f.referenceFlags.register(cmd)
	f.memo.register(cmd)
	cmd.Flags().BoolVar(&f.memo.none, "no-memo", false, "store no results, and use none")
	cmd.Flags().StringVar(&f.lease, "lease-dir", "", "folder through which the workers of this machine share the device, one forward pass at a time (default: not)")
	cmd.Flags().StringVar(&f.layouts, "layout-dir", "", "folder of weights as a CPU lays them out, whose memory the workers of this machine share (default: TROUPE_LAYOUT_DIR, else each has its own)")
	cmd.Flags().StringSliceVar(&f.agents, "agents", []string{"scgpt", "foogpt"}, "the agents to run")
	cmd.Flags().StringVar(&f.isolation, "isolation", "none", "none: all agents in this process; process: each in its own, scgpt in one for each --device")
	cmd.Flags().StringVar(&f.defaultModel, "default-model", "", "model of requests that name none (default: the only one, else scGPT_human; of the samples, "+sampleModel+")")
	cmd.Flags().Float64Var(&f.memoryLimit, "memory-limit", 0, "GiB of memory that a process of an agent may have (default: no limit)")
	cmd.Flags().StringSliceVar(&f.roots, "roots", []string{"."}, "folders that inputs and outputs must lie in")
	cmd.Flags().StringVar(&f.ops, "ops", "", "HOST:PORT to serve health, /agents and /metrics at, such as "+ops.DefaultAddress+"; with "+opsTokenVariable+" set, the latter two want that bearer token (default: nowhere)")
}

// check finds wrong usage before anything is opened.
func (f workerFlags) check() error {
	if err := f.modelFlags.check(); err != nil {
		return err
	}
	return f.memo.check()
}

func (f *modelFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.models, "models", "", "folder of the models (default: TROUPE_MODELS, else the sample models)")
	cmd.Flags().StringVar(&f.device, "device", "cpu", "device: "+strings.Join(compute.Drivers(), ", ")+", cuda:N or auto; several, joined by commas, for worker --isolation process")
	cmd.Flags().StringVar(&f.precision, "precision", string(compute.FP32), "precision of the products: fp32, tf32, bf16x3 or bf16, where the device has it")
	cmd.Flags().StringVar(&f.worker, "cuda-worker", "", "path of the program that works on GPUs (default: TROUPE_CUDA_WORKER, else "+cudaWorkerName+" beside this program or on the PATH)")
	cmd.Flags().IntVar(&f.threads, "threads", 0, "threads of a CPU device (default: all)")
}

func (a *app) workerCommand() *cobra.Command {
	var f workerFlags
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Run agents' workers until a signal, then let them finish",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			serve, err := f.endpoint()
			if err != nil {
				return err
			}
			reg, err := a.newRegistry(f, a.address)
			if err != nil {
				return err
			}
			return a.work(cmd.Context(), reg, f.agents, serve)
		},
	}
	f.register(cmd)
	return cmd
}

// work runs the agents until ctx ends, and says when they are ready. It ends
// before that if none of them will ever be, or if what operators look at cannot be
// served.
func (a *app) work(ctx context.Context, reg *registry.Registry, names []string, serve serveFunc) error {
	if registry.IsChild() {
		return reg.Run(ctx) // the parent says the rest
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stopped := make(chan struct{})
	defer close(stopped)
	defer context.AfterFunc(ctx, func() { cutAtSignal(reg, stopped) })()
	ready := make(chan struct{})
	go func() {
		defer close(ready)
		err := reg.WaitReady(ctx, names...)
		switch {
		case err == nil:
			a.sayReady(reg)
		case ctx.Err() == nil && allFailed(reg):
			cancel()
		}
	}()
	// Operators can look on while the agents stop.
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	served := make(chan error, 1)
	go func() {
		err := serve(serving, reg)
		if err != nil {
			cancel()
		}
		served <- err
	}()
	err := reg.Run(ctx)
	<-ready
	stopServing()
	return errors.Join(err, <-served)
}

// cutAtSignal cuts the stop that is under way when another signal comes before it
// is done.
func cutAtSignal(reg *registry.Registry, stopped <-chan struct{}) {
	second := make(chan os.Signal, 1)
	signal.Notify(second, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(second)
	select {
	case <-second:
		reg.Cut()
	case <-stopped:
	}
}

// allFailed reports whether every agent has failed for good.
func allFailed(reg *registry.Registry) bool {
	return !slices.ContainsFunc(reg.Status(), func(s registry.Status) bool { return s.State != registry.StateFailed })
}

func (a *app) sayReady(reg *registry.Registry) {
	for _, s := range reg.Status() {
		fmt.Fprintf(a.stderr, "%-8s ready on %s\n", s.Agent, s.TaskQueue)
	}
}

// Bounds of --memory-limit in GiB. With less than the least, a process of this program
// does not get as far as polling.
const leastMemory, mostMemory = 0.125, 1 << 20

// newRegistry makes the agents and registers them. address "" leaves the
// address to the environment.
func (a *app) newRegistry(f workerFlags, address string) (*registry.Registry, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	devices := splitDevices(f.device)
	switch {
	case f.isolation != "none" && f.isolation != "process":
		return nil, usagef("--isolation is %q: want none or process", f.isolation)
	case f.isolation == "none" && f.memoryLimit != 0:
		return nil, usagef("--memory-limit is for --isolation process")
	case f.isolation == "none" && len(devices) > 1:
		return nil, usagef("--device is %q, but several devices need --isolation process", f.device)
	case f.memoryLimit != 0 && !(f.memoryLimit >= leastMemory && f.memoryLimit <= mostMemory):
		return nil, usagef("--memory-limit is %v: want GiB, from %v to %v", f.memoryLimit, leastMemory, mostMemory)
	case len(f.agents) == 0:
		return nil, usagef("--agents is empty: want scgpt, foogpt or both")
	}
	// Folders that go away later may come back: a process that is started again
	// waits for them.
	if slices.Contains(f.agents, "scgpt") && !registry.IsChild() {
		if err := f.checkFolders(); err != nil {
			return nil, err
		}
	}
	// In a process of its own an agent has the device that its parent chose.
	f.device = registry.Device(devices[0])
	codecs, err := codec.FromEnvironment()
	if err != nil {
		return nil, err
	}
	reg := registry.New(registry.Options{
		Logger: a.logger(), Observer: f.observer,
		ClientOptions: func(o *client.Options) {
			if address != "" {
				o.HostPort = address
			}
			if a.namespace != "" {
				o.Namespace = a.namespace
			}
			codec.Apply(o, codecs...)
		},
	})
	var errs []error
	for _, name := range slices.Compact(slices.Sorted(slices.Values(f.agents))) {
		ag, err := a.newAgent(name, f)
		if err != nil {
			return nil, err
		}
		where, err := a.isolate(f, name, devices, address)
		if err != nil {
			return nil, err
		}
		errs = append(errs, reg.Register(ag, where))
	}
	return reg, errors.Join(errs...)
}

// isolate says where an agent runs. What needs CUDA runs in a CUDA worker.
func (a *app) isolate(f workerFlags, agentName string, devices []string, address string) (registry.AgentOption, error) {
	limit := int64(f.memoryLimit * (1 << 30))
	onCUDA := agentName == "scgpt" && slices.ContainsFunc(devices, needsCUDAWorker) && !registry.IsChild()
	if f.isolation == "none" && !onCUDA {
		return registry.InProcess(), nil
	}
	if agentName != "scgpt" {
		return registry.Process(registry.ProcessOptions{MemoryLimit: limit}), nil
	}
	var each []registry.ProcessOptions
	for _, device := range devices {
		o := registry.ProcessOptions{Device: device, MemoryLimit: limit}
		if needsCUDAWorker(device) {
			var err error
			if o, err = a.cudaProcess(f, device, address, o); err != nil {
				return nil, err
			}
		}
		each = append(each, o)
	}
	return registry.Process(each...), nil
}

func (a *app) newAgent(name string, f workerFlags) (agent.Agent, error) {
	switch name {
	case "foogpt":
		options, err := foogpt.OptionsFromEnv()
		return foogpt.NewWith(options), err
	case "scgpt":
		dir, fallback, err := f.modelFolder()
		if err != nil {
			return nil, err
		}
		// Without a clone there are no sample references, and that is fine.
		references, err := f.referenceFolder()
		if err != nil {
			references = ""
		}
		return scgpt.New(scgpt.Options{
			Models: dir, DefaultModel: cmp.Or(f.defaultModel, fallback), References: references,
			Device: f.device, Precision: compute.Precision(f.precision), Threads: f.threads, Lease: f.lease,
			Layouts: cmp.Or(f.layouts, os.Getenv("TROUPE_LAYOUT_DIR")),
			Memo:    f.memo.folder(), MemoBytes: f.memo.bytes, NoMemo: f.memo.none,
			Roots: f.roots, Logger: a.logger(), OnDeviceLost: endChild,
		}), nil
	default:
		return nil, usagef("there is no agent %q: want scgpt or foogpt", name)
	}
}

// endChild ends a process whose device is lost, so that its parent starts
// another one. The error of the activity that met it goes out before that.
func endChild(error) {
	if registry.IsChild() {
		time.AfterFunc(2*time.Second, func() { os.Exit(1) })
	}
}
