package main

import (
	"context"

	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/examples/versions/letters"
	"github.com/seed-ab6af24b/troupe/registry"
)

// deployment is the name that all builds of the agent share.
const deployment = "letters"

// worker runs the agent of a build. A program that Temporal's worker controller
// starts needs none of these options: the controller sets
// TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID, which a registry heeds.
func (a *app) worker(ctx context.Context, build string) error {
	agent, err := letters.New(build)
	if err != nil {
		return err
	}
	reg := registry.New(registry.Options{})
	err = reg.Register(agent, registry.WithWorkerOptions(func(o *worker.Options) {
		o.DeploymentOptions = worker.DeploymentOptions{
			UseVersioning: true,
			Version:       worker.WorkerDeploymentVersion{DeploymentName: deployment, BuildID: build},
		}
	}))
	if err != nil {
		return err
	}
	return reg.Run(ctx)
}
