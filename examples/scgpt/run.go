package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/agent/devserver"
	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// readyTimeout bounds the wait for both agents to be ready.
const readyTimeout = time.Minute

// runFlags are the flags of the whole demonstration.
type runFlags struct {
	worker  workerFlags
	request requestFlags
	keep    bool
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "The whole demonstration: server, agents, one analysis, result, stop",
		Long: "start an embedded Temporal server (or use the one at TEMPORAL_ADDRESS), run the agents scgpt and " +
			"foogpt, analyse the cells of --data (default: the 200 pbmc68k cells in testdata), show the result, and stop.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.worker.check(); err != nil {
				return err
			}
			if err := f.request.check(cmd); err != nil {
				return err
			}
			if err := f.request.checkAnalysis(); err != nil {
				return err
			}
			return a.demonstrate(cmd.Context(), f)
		},
	}
	f.worker.modelFlags.register(cmd)
	f.worker.referenceFlags.register(cmd)
	f.worker.memo.register(cmd)
	f.request.register(cmd, " (default: for the sample cells, the training cells)")
	cmd.Flags().BoolVar(&f.keep, "keep", false, "keep the server and its web UI open afterwards, until Ctrl-C")
	return cmd
}

func (a *app) demonstrate(ctx context.Context, f runFlags) (err error) {
	start := time.Now()
	f.worker.agents, f.worker.isolation = []string{"scgpt", "foogpt"}, "none"
	if err := f.files(); err != nil {
		return err
	}
	address, srv, err := a.temporal(ctx)
	if err != nil {
		return err
	}
	if srv != nil {
		defer func() { err = errors.Join(err, srv.Stop()) }()
	}

	reg, err := a.newRegistry(f.worker, address)
	if err != nil {
		return err
	}
	stopAgents := runInBackground(ctx, reg)
	defer func() {
		// An agent that fails is told of by whoever waits for it, and once more
		// by the registry.
		if stopErr := stopAgents(); stopErr != nil && (err == nil || !strings.Contains(err.Error(), stopErr.Error())) {
			err = errors.Join(err, stopErr)
		}
	}()
	if err := a.awaitAgents(ctx, reg); err != nil {
		return err
	}
	a.say("%.1fs  agents ready: %s", time.Since(start).Seconds(), agentsOf(reg))

	c, err := a.connectTo(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close()
	id, err := c.StartAnalysis(ctx, f.request.analysis())
	if err != nil {
		return err
	}
	a.say("%.1fs  workflow %s started", time.Since(start).Seconds(), id)
	result, err := a.follow(ctx, c, id)
	if err != nil {
		return err
	}
	a.say("%.1fs  %s", time.Since(start).Seconds(), result.Status)

	if a.json {
		a.printJSON(result)
	} else {
		a.printAnalysis(*result.Result)
	}
	a.printLink(srv, c.Namespace(), result, f.keep)
	if f.keep && srv != nil && srv.UIURL() != "" {
		<-ctx.Done()
	}
	return nil
}

// files fills in the sample data and lets the worker see what the user names.
func (f *runFlags) files() (err error) {
	if f.request.data == "" {
		if f.request.data, err = sample(sampleCells, "--data"); err != nil {
			return err
		}
		if f.request.reports.baseline == "" {
			if f.request.reports.baseline, err = sample(sampleTraining, "--baseline"); err != nil {
				return err
			}
		}
	}
	// A model may be the path of a folder too: its parent is then the model
	// folder.
	if info, statErr := os.Stat(f.request.model); statErr == nil && info.IsDir() {
		abs, err := filepath.Abs(f.request.model)
		if err != nil {
			return err
		}
		f.worker.models, f.request.model = filepath.Dir(abs), filepath.Base(abs)
	}
	// The user of this program is the one who runs the worker: what the
	// command line names may be read and written.
	f.worker.roots = []string{"."}
	for _, path := range []*string{&f.request.data, &f.request.out, &f.request.reports.baseline} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
		if dir := filepath.Dir(*path); isDir(dir) {
			f.worker.roots = append(f.worker.roots, dir)
		}
	}
	return nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// temporal returns the address of a server: the one that the user names, or an
// embedded one, which the caller stops. The address is "" where the environment
// has it.
func (a *app) temporal(ctx context.Context) (address string, srv *devserver.Server, err error) {
	if a.address != "" || os.Getenv("TEMPORAL_ADDRESS") != "" {
		return a.address, nil, nil
	}
	opts := devserver.Options{}
	if a.namespace != "" {
		opts.Namespaces = []string{a.namespace}
	}
	if a.verbose {
		opts.Logger = a.logger()
	}
	srv, err = devserver.Start(ctx, opts)
	if err != nil {
		return "", nil, fmt.Errorf("start the embedded Temporal server: %w", err)
	}
	for _, notice := range srv.Notices() {
		a.say("%s", notice)
	}
	if srv.Used() {
		a.say("using the Temporal server at %s", srv.HostPort())
	} else {
		a.say("Temporal server at %s, web UI at %s", srv.HostPort(), srv.UIURL())
	}
	return srv.HostPort(), srv, nil
}

// runInBackground runs the registry until the returned function is called,
// which lets the agents finish and returns Run's error. A signal does not cut
// it short: the analysis ends first, by its own context.
func runInBackground(ctx context.Context, reg *registry.Registry) (stop func() error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- reg.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

func (a *app) awaitAgents(ctx context.Context, reg *registry.Registry) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("the agents were not ready within %v", readyTimeout))
	defer cancel()
	err := reg.WaitReady(ctx)
	if err == nil || ctx.Err() == nil {
		return err
	}
	for _, s := range reg.Status() {
		if s.LastError != nil {
			return fmt.Errorf("agent %s: %w", s.Agent, s.LastError)
		}
	}
	return context.Cause(ctx)
}

func agentsOf(reg *registry.Registry) string {
	list := ""
	for i, s := range reg.Status() {
		if i > 0 {
			list += ", "
		}
		list += fmt.Sprintf("%s (%s)", s.Agent, s.TaskQueue)
	}
	return list
}

// follow shows the progress of an analysis on stderr until it ends. If ctx ends
// first, it cancels the workflow.
func (a *app) follow(ctx context.Context, c *api.Client, id string) (api.WorkflowResult, error) {
	shown := make(chan struct{})
	following, stop := context.WithCancel(ctx)
	go func() {
		defer close(shown)
		a.showProgress(following, c, id)
	}()
	result, err := c.Result(ctx, id)
	stop()
	<-shown
	if ctx.Err() != nil {
		return result, a.cancelAnalysis(context.WithoutCancel(ctx), c, id)
	}
	return result, err
}

// cancelAnalysis cancels a workflow and gives it some time to clean up, while
// server and worker are still there.
func (a *app) cancelAnalysis(ctx context.Context, c *api.Client, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := c.Cancel(ctx, id); err != nil {
		return fmt.Errorf("stopped by a signal; the workflow could not be cancelled: %w", err)
	}
	_, _ = c.Result(ctx, id) // its error is the cancellation
	return errors.New("stopped by a signal; the workflow is cancelled")
}

// say tells on stderr what happens.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.stderr, format+"\n", args...) }
