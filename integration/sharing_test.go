package integration

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/registry"
)

// Two agents on one queue and one worker both answer.
func TestShared(t *testing.T) {
	t.Parallel()
	c := clientTo(t, hostPort)
	a, b := newAgent(t, "a"), newAgent(t, "b")
	b.domain.TaskQueue = a.domain.TaskQueue
	b.Base = b.domain.Base()
	b.workflow = agent.NewWorkflow[Text, Text](b.domain, "Echo2")
	b.activity = agent.NewActivity[Text, Text](b.domain, "echo2")
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(registry.Shared(a, b)))
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))
	a.echo(t, c, "a")
	b.echo(t, c, "b")
	require.Len(t, reg.Status(), 1)
	require.NoError(t, stop())
}

// Many agents over the client that the program has; it stays open.
func TestClientOfTheProgram(t *testing.T) {
	t.Parallel()
	c := clientTo(t, hostPort)
	a, b := newAgent(t, "a"), newAgent(t, "b")
	reg := registry.New(registry.Options{Client: c, Logger: silent})
	require.NoError(t, reg.Register(a))
	require.NoError(t, reg.Register(b))
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))
	a.echo(t, c, "a")
	b.echo(t, c, "b")
	require.NoError(t, stop())
	_, err := c.CheckHealth(within(t, patience), &client.CheckHealthRequest{})
	require.NoError(t, err)
}

// A worker of a deployment version is listed, and so becomes ready, before the
// version is current.
func TestReadyInADeployment(t *testing.T) {
	t.Parallel()
	a := newAgent(t, "a")
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(a, registry.WithWorkerOptions(func(o *worker.Options) {
		o.DeploymentOptions = worker.DeploymentOptions{
			UseVersioning:             true,
			Version:                   worker.WorkerDeploymentVersion{DeploymentName: a.Name(), BuildID: "v1"},
			DefaultVersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
		}
	})))
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))
	require.NoError(t, stop())
}
