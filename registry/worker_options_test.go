package registry

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
)

type onlyActivities struct{ *fakeAgent }

func (onlyActivities) Workflows() []agent.Binding { return nil }

type onlyWorkflows struct{ *fakeAgent }

func (onlyWorkflows) Activities() []agent.Binding { return nil }

// A worker polls for what its agent has, and for nothing else.
func TestPolledTypes(t *testing.T) {
	t.Parallel()
	w, a := enumspb.TASK_QUEUE_TYPE_WORKFLOW, enumspb.TASK_QUEUE_TYPE_ACTIVITY
	for name, c := range map[string]struct {
		agent agent.Agent
		want  []enumspb.TaskQueueType
	}{
		"both":       {newFakeAgent("a"), []enumspb.TaskQueueType{w, a}},
		"activities": {onlyActivities{newFakeAgent("a")}, []enumspb.TaskQueueType{a}},
		"workflows":  {onlyWorkflows{newFakeAgent("a")}, []enumspb.TaskQueueType{w}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := baseWorkerOptions(c.agent, settings{})
			require.NoError(t, err)
			require.Equal(t, c.want, polledTypes(o))
		})
	}
}

func TestWorkerOptionsOrder(t *testing.T) {
	t.Parallel()
	a := newFakeAgent("a")
	a.onConfigure = func(o *worker.Options) {
		require.True(t, o.DisableRegistrationAliasing)
		o.MaxConcurrentActivityExecutionSize, o.MaxConcurrentLocalActivityExecutionSize = 1, 1
	}
	o, err := baseWorkerOptions(a, settings{workerOptions: func(o *worker.Options) { o.MaxConcurrentActivityExecutionSize++ }})
	require.NoError(t, err)
	require.Equal(t, 2, o.MaxConcurrentActivityExecutionSize)
	require.Equal(t, 1, o.MaxConcurrentLocalActivityExecutionSize)
}

func TestInstrument(t *testing.T) {
	t.Parallel()
	type key struct{}
	own := &interceptor.WorkerInterceptorBase{}
	r := newRunning()
	o, cancel := instrument(worker.Options{
		BackgroundActivityContext: context.WithValue(t.Context(), key{}, "theirs"),
		Interceptors:              []interceptor.WorkerInterceptor{own},
	}, "a", r, nil)
	require.Len(t, o.Interceptors, 3)
	require.Equal(t, interceptor.WorkerInterceptor(r), o.Interceptors[0])
	require.Equal(t, interceptor.WorkerInterceptor(own), o.Interceptors[2])
	require.Equal(t, "theirs", o.BackgroundActivityContext.Value(key{}))
	require.NotEqual(t, o.Identity, newIdentity("a"))
	cancel(worker.ErrWorkerShutdown)
	require.ErrorIs(t, context.Cause(o.BackgroundActivityContext), worker.ErrWorkerShutdown)

	o, cancel = instrument(worker.Options{Identity: "mine"}, "a", r, nil)
	cancel(nil)
	require.Equal(t, "mine", o.Identity)
}

func TestDeploymentFromEnvironment(t *testing.T) {
	t.Setenv("TEMPORAL_DEPLOYMENT_NAME", "annotator")
	t.Setenv("TEMPORAL_WORKER_BUILD_ID", "")
	require.Zero(t, deploymentFromEnvironment())
	t.Setenv("TEMPORAL_WORKER_BUILD_ID", "v2")
	require.Equal(t, worker.DeploymentOptions{
		UseVersioning:             true,
		Version:                   worker.WorkerDeploymentVersion{DeploymentName: "annotator", BuildID: "v2"},
		DefaultVersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	}, deploymentFromEnvironment())
}
