package registry

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
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

// Workers are known by their identities: they say whose they are, as the program wants
// it said, and there are no two of one.
func TestIdentities(t *testing.T) {
	host, err := os.Hostname()
	require.NoError(t, err)
	process := fmt.Sprintf("@%s:%d", host, os.Getpid())
	t.Setenv("TEMPORAL_CONFIG_FILE", filepath.Join(t.TempDir(), "absent.toml"))
	set := func(identity string) func(*client.Options) {
		return func(o *client.Options) { o.Identity = identity }
	}
	for name, c := range map[string]struct {
		options      func(*client.Options)
		agent        []AgentOption
		client, want string // of the worker: without its number
	}{
		"nothing set":              {nil, nil, "a" + process, "a" + process},
		"the client's":             {set("mine"), nil, "mine", "mine" + process},
		"the client's, of its own": {set("mine" + process), nil, "mine" + process, "mine" + process},
		"one agent's client's":     {set("mine"), []AgentOption{WithClientOptions(set("its"))}, "its", "its" + process},
		"the client's, taken away": {set(""), nil, "a" + process, "a" + process},
		"the worker's":             {set("mine"), []AgentOption{WithWorkerOptions(func(o *worker.Options) { o.Identity = "w" })}, "mine", "w"},
	} {
		t.Run(name, func(t *testing.T) {
			_, server := newFake()
			before := ""
			reg := New(Options{Logger: slog.New(slog.DiscardHandler), ClientOptions: func(o *client.Options) {
				before = o.Identity
				if c.options != nil {
					c.options(o)
				}
			}})
			reg.newWorker = server.newWorker
			require.NoError(t, reg.Register(newFakeAgent("a"), c.agent...))
			require.Equal(t, "a"+process, before)
			s := reg.agents["a"]
			require.Equal(t, c.client, s.connection.identity)
			s.connection.dial = func(ctx context.Context) (client.Client, func(), error) {
				fake, err := server.dial(ctx, "a")
				return fake, func() {}, err
			}
			stop := start(t, reg)
			require.NoError(t, reg.WaitReady(t.Context()))
			identity := server.worker(t).options.Identity
			status, err := reg.AgentStatus("a")
			require.NoError(t, err)
			require.Equal(t, identity, status.Identity)
			if c.want != "w" {
				require.Regexp(t, "^"+regexp.QuoteMeta(c.want)+`#\d+$`, identity)
			} else {
				require.Equal(t, c.want, identity)
			}
			require.NoError(t, stop())
		})
	}
	first, second := newIdentity("a"), newIdentity("a")
	require.NotEqual(t, first, second)
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
