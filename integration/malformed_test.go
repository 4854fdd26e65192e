package integration

import (
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
)

// caller is a workflow that calls an activity the way a careless client in
// another language might: by name, with any bytes at all.
type caller struct {
	*testAgent
	call agent.Workflow[rawCall, Text]
}

type rawCall struct {
	Missing bool              `json:"missing"`
	Payload *commonpb.Payload `json:"payload"`
}

func (c *caller) Workflows() []agent.Binding {
	return append(c.testAgent.Workflows(), c.call.To(func(ctx workflow.Context, in rawCall) (Text, error) {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: patience})
		var args []any
		if !in.Missing {
			args = []any{converter.NewRawValue(in.Payload)}
		}
		var out Text
		return out, workflow.ExecuteActivity(ctx, c.activity.Name(), args...).Get(ctx, &out)
	}))
}

func jsonPayload(data string) *commonpb.Payload {
	return &commonpb.Payload{Metadata: map[string][]byte{converter.MetadataEncoding: []byte(converter.MetadataEncodingJSON)}, Data: []byte(data)}
}

// malformed lists what is wrong for workflow and activity alike.
var malformed = map[string]*commonpb.Payload{
	"not JSON":         jsonPayload(`text: hello`),
	"cut off":          jsonPayload(`{"text": "hel`),
	"more after it":    jsonPayload(`{"text": "hello"} {}`),
	"wrong type":       jsonPayload(`{"text": 7}`),
	"an array":         jsonPayload(`["hello"]`),
	"null":             jsonPayload(`null`),
	"unknown encoding": {Metadata: map[string][]byte{converter.MetadataEncoding: []byte("binary/morse")}, Data: []byte("...")},
	"no encoding":      {Data: []byte(`{"text": "hello"}`)},
	"nothing":          nil,
}

// A malformed request fails at once, for good, with the class that says why.
// By the SDK alone a workflow would hang in retried workflow tasks.
func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	c := clientTo(t, hostPort)
	a := newAgent(t, "a")
	target := &caller{testAgent: a, call: agent.NewWorkflow[rawCall, Text](a.domain, "Call")}
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(target))
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))

	t.Run("workflow", func(t *testing.T) {
		for name, payload := range malformed {
			t.Run(name, func(t *testing.T) {
				var args []any
				if payload != nil {
					args = []any{converter.NewRawValue(payload)}
				}
				started, err := c.ExecuteWorkflow(within(t, patience), client.StartWorkflowOptions{TaskQueue: a.TaskQueue()}, a.workflow.Name(), args...)
				require.NoError(t, err)
				requireInvalid(t, started.Get(within(t, patience), nil))
				requireOneAttempt(t, c, started, enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED)
			})
		}
		t.Run("an unknown field is tolerated", func(t *testing.T) {
			started, err := c.ExecuteWorkflow(within(t, patience), client.StartWorkflowOptions{TaskQueue: a.TaskQueue()},
				a.workflow.Name(), converter.NewRawValue(jsonPayload(`{"text": "hello", "since": "a later version"}`)))
			require.NoError(t, err)
			require.NoError(t, started.Get(within(t, patience), nil))
		})
	})
	t.Run("activity", func(t *testing.T) {
		payloads := map[string]*commonpb.Payload{"unknown field": jsonPayload(`{"text": "hello", "loud": true}`)}
		for name, payload := range malformed {
			payloads[name] = payload
		}
		for name, payload := range payloads {
			t.Run(name, func(t *testing.T) {
				started, err := c.ExecuteWorkflow(within(t, patience), client.StartWorkflowOptions{TaskQueue: a.TaskQueue()},
					"Call", rawCall{Missing: payload == nil, Payload: payload})
				require.NoError(t, err)
				requireInvalid(t, started.Get(within(t, patience), nil))
				requireOneAttempt(t, c, started, enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED)
			})
		}
	})
	require.NoError(t, stop())
}

func requireInvalid(t *testing.T, err error) {
	t.Helper()
	class, ok := retry.ClassOf(err)
	require.True(t, ok, "%v", err)
	require.Equal(t, retry.InvalidData, class, "%v", err)
}

// requireOneAttempt checks that the history has one event of the kind, that of
// a first attempt.
func requireOneAttempt(t *testing.T, c client.Client, run client.WorkflowRun, kind enumspb.EventType) {
	t.Helper()
	events := eventsOf(t, c, run.GetID(), kind)
	require.Len(t, events, 1)
	if started := events[0].GetActivityTaskStartedEventAttributes(); started != nil {
		require.EqualValues(t, 1, started.GetAttempt())
	}
}
