package integration

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent/devserver"
	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// On a cluster a task queue has several partitions, and the server lists a worker in
// those only that its polls reached: of many workers on a queue, each is ready soon.
func TestReadyOnAQueueOfSeveralPartitions(t *testing.T) {
	t.Parallel()
	server, err := devserver.Start(context.Background(), devserver.Options{
		Port: devserver.AnyPort, UIPort: devserver.NoUI, Partitions: 4,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	const workers = 8
	version := func(o *worker.Options) {
		o.DeploymentOptions = worker.DeploymentOptions{
			UseVersioning: true, Version: worker.WorkerDeploymentVersion{DeploymentName: "d", BuildID: "1"},
			DefaultVersioningBehavior: workflow.VersioningBehaviorPinned,
		}
	}
	shared := clientTo(t, server.HostPort())
	given := func(o *registry.Options) { o.ClientOptions, o.Client = nil, shared }
	for name, c := range map[string]struct {
		change  func(*registry.Options)
		options []registry.AgentOption
	}{
		"clients of their own":                      {change: func(*registry.Options) {}},
		"clients of their own, versioned":           {change: func(*registry.Options) {}, options: []registry.AgentOption{registry.WithWorkerOptions(version)}},
		"a given client of a known namespace":       {change: given, options: []registry.AgentOption{registry.WithNamespace(client.DefaultNamespace)}},
		"a given client of a namespace not told of": {change: given},
	} {
		t.Run(name, func(t *testing.T) {
			queue := newAgent(t, "a").Name()
			var registries []*registry.Registry
			for range workers {
				reg := newRegistry(server.HostPort(), c.change)
				require.NoError(t, reg.Register(namedAgent(queue), c.options...))
				run(t, reg)
				registries = append(registries, reg)
			}
			ctx := within(t, patience)
			for _, reg := range registries {
				require.NoError(t, reg.WaitReady(ctx))
			}
			// Chance decides which partitions a worker polls.
			root, err := shared.DescribeTaskQueue(ctx, queue+"-tasks", enumspb.TASK_QUEUE_TYPE_ACTIVITY)
			require.NoError(t, err)
			t.Logf("the root partition lists %d of %d workers", len(root.GetPollers()), workers)
			polled, err := api.NewClient(shared, api.TemporalConfig{TaskQueue: queue + "-tasks"}).Polled(ctx)
			require.NoError(t, err)
			require.True(t, polled)
		})
	}
}
