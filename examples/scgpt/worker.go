package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/foogpt"
	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/scgpt"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// workerFlags are the flags of a program that runs agents.
type workerFlags struct {
	modelFlags
	agents    []string
	isolation string
	roots     []string
}

func (f *workerFlags) register(cmd *cobra.Command) {
	f.modelFlags.register(cmd)
	cmd.Flags().StringSliceVar(&f.agents, "agents", []string{"scgpt", "foogpt"}, "the agents to run")
	cmd.Flags().StringVar(&f.isolation, "isolation", "none", "none: all agents in this process (process isolation is not there yet)")
	cmd.Flags().StringSliceVar(&f.roots, "roots", []string{"."}, "folders that inputs and outputs must lie in")
}

func (f *modelFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.models, "models", "", "folder of the models (default: TROUPE_MODELS, else the sample models)")
	cmd.Flags().StringVar(&f.device, "device", "cpu", "device: "+strings.Join(compute.Drivers(), ", ")+" or auto")
	cmd.Flags().StringVar(&f.precision, "precision", string(compute.FP32), "precision of the products: fp32, bf16x3 or bf16, where the device has it")
	cmd.Flags().IntVar(&f.threads, "threads", 0, "threads of a CPU device (default: all)")
}

func (a *app) workerCommand() *cobra.Command {
	var f workerFlags
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Run agents' workers until a signal, then let them finish",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			reg, err := a.newRegistry(f, a.address)
			if err != nil {
				return err
			}
			return a.work(cmd.Context(), reg, f.agents)
		},
	}
	f.register(cmd)
	return cmd
}

// work runs the agents until ctx ends, and says when they are ready. It ends
// before that if none of them will ever be.
func (a *app) work(ctx context.Context, reg *registry.Registry, names []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
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
	err := reg.Run(ctx)
	<-ready
	return err
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

// newRegistry makes the agents and registers them. address "" leaves the
// address to the environment.
func (a *app) newRegistry(f workerFlags, address string) (*registry.Registry, error) {
	if f.isolation != "none" {
		return nil, usagef("--isolation is %q, but this version has none only", f.isolation)
	}
	if len(f.agents) == 0 {
		return nil, usagef("--agents is empty: want scgpt, foogpt or both")
	}
	reg := registry.New(registry.Options{
		Logger: a.logger(),
		ClientOptions: func(o *client.Options) {
			if address != "" {
				o.HostPort = address
			}
			if a.namespace != "" {
				o.Namespace = a.namespace
			}
		},
	})
	var errs []error
	for _, name := range slices.Compact(slices.Sorted(slices.Values(f.agents))) {
		ag, err := a.newAgent(name, f)
		if err != nil {
			return nil, err
		}
		errs = append(errs, reg.Register(ag, registry.InProcess()))
	}
	return reg, errors.Join(errs...)
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
		return scgpt.New(scgpt.Options{
			Models: dir, DefaultModel: fallback,
			Device: f.device, Precision: compute.Precision(f.precision), Threads: f.threads,
			Roots: f.roots, Logger: a.logger(),
		}), nil
	default:
		return nil, usagef("there is no agent %q: want scgpt or foogpt", name)
	}
}
