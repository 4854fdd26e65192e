package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	sdklog "go.temporal.io/sdk/log"

	"github.com/seed-ab6af24b/troupe/examples/versions/letters"
)

// app holds what all commands share.
type app struct {
	stdout io.Writer
	client client.Client
}

// withClient runs a command with a client that the environment configures.
func (a *app) withClient(ctx context.Context, command func(context.Context) error) error {
	options, err := envconfig.LoadDefaultClientOptions() // TEMPORAL_* and temporal.toml
	if err != nil {
		return err
	}
	options.Logger = sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))
	if a.client, err = client.DialContext(ctx, options); err != nil {
		return err
	}
	defer a.client.Close()
	return command(ctx)
}

// current routes new workflows, and those that move, to a build. The server
// refuses a build that it has not seen a worker of; one that is just starting is
// waited for.
func (a *app) current(ctx context.Context, build string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, fmt.Errorf("no worker of build %s came within 30 s", build))
	defer cancel()
	handle := a.client.WorkerDeploymentClient().GetHandle(deployment)
	for {
		_, err := handle.SetCurrentVersion(ctx, client.WorkerDeploymentSetCurrentVersionOptions{BuildID: build})
		var unseen *serviceerror.NotFound
		var unpolled *serviceerror.FailedPrecondition
		if ctx.Err() != nil && err != nil {
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		if !errors.As(err, &unseen) && !errors.As(err, &unpolled) {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// start starts one workflow of each kind.
func (a *app) start(ctx context.Context) error {
	delivery, err := letters.Delivery.Start(ctx, a.client, letters.Letter{To: "Ada"})
	if err != nil {
		return err
	}
	subscription, err := letters.Subscription.Start(ctx, a.client, letters.Letter{To: "Grace"})
	if err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, "delivery    ", delivery.ID())
	fmt.Fprintln(a.stdout, "subscription", subscription.ID())
	return nil
}

func (a *app) goOn(ctx context.Context, ids []string) error {
	for _, id := range ids {
		if err := letters.GoOn.Send(ctx, a.client, id, "", struct{}{}); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	return nil
}

// stories asks workflows, running or closed, what they did. The query goes to a
// worker of the build that the workflow is with.
func (a *app) stories(ctx context.Context, ids []string) error {
	for _, id := range ids {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		story, err := letters.Told.Ask(ctx, a.client, id, "")
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		fmt.Fprintln(a.stdout, id)
		for _, step := range story.Steps {
			fmt.Fprintln(a.stdout, "  "+step)
		}
	}
	return nil
}

// builds shows what the server knows of the deployment.
func (a *app) builds(ctx context.Context) error {
	d, err := a.client.WorkerDeploymentClient().GetHandle(deployment).Describe(ctx, client.WorkerDeploymentDescribeOptions{})
	if err != nil {
		return err
	}
	for _, v := range d.Info.VersionSummaries {
		state := map[client.WorkerDeploymentVersionDrainageStatus]string{
			client.WorkerDeploymentVersionDrainageStatusUnspecified: "not current",
			client.WorkerDeploymentVersionDrainageStatusDraining:    "draining: pinned workflows still run",
			client.WorkerDeploymentVersionDrainageStatusDrained:     "drained: its workers may be stopped",
		}[v.DrainageStatus]
		if c := d.Info.RoutingConfig.CurrentVersion; c != nil && *c == v.Version {
			state = "current"
		}
		fmt.Fprintf(a.stdout, "%s  %s\n", v.Version.BuildID, state)
	}
	return nil
}
