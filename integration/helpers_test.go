package integration

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/retry"
)

// patience bounds what a test waits for; nothing should come near it.
const patience = 30 * time.Second

var (
	silent    = slog.New(slog.DiscardHandler)
	silentSDK = sdklog.NewStructuredLogger(silent)
)

// within is a context that ends the test's waiting, with a useful error.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// clientTo is a client of the server at the address.
func clientTo(t *testing.T, address string) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: address, Logger: silentSDK})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// newRegistry is a registry on the server at the address, with little patience
// for activities that do not end.
func newRegistry(address string, change ...func(*registry.Options)) *registry.Registry {
	o := registry.Options{
		Logger:        silent,
		ClientOptions: func(o *client.Options) { o.HostPort = address },
	}
	for _, c := range change {
		c(&o)
	}
	return registry.New(o)
}

// run runs the registry until the test or the returned function ends it; the
// latter returns what Run returned.
func run(t *testing.T, reg *registry.Registry) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var result error
	go func() {
		defer close(ended)
		result = reg.Run(ctx)
	}()
	stop = func() error {
		cancel()
		<-ended
		return result
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

// Text is what the test agents' workflows and activities take and return.
type Text struct {
	Text string `json:"text"`
}

// testAgent has a workflow Echo<suffix> that calls its activity echo<suffix>.
// The hooks may be nil.
type testAgent struct {
	agent.Base
	domain   agent.Domain
	workflow agent.Workflow[Text, Text]
	activity agent.Activity[Text, Text]

	onWorkflow      func(workflow.Context, Text) // at the workflow's beginning
	onEcho          func(context.Context, Text) (Text, error)
	onStart, onStop func(context.Context) error
	onConfigure     func(*worker.Options)
}

// agents counts the agents of this process.
var agents atomic.Int64

// newAgent makes an agent with a name and a queue that no other test has, and
// no other run of this one.
func newAgent(t testing.TB, name string) *testAgent {
	t.Helper()
	return namedAgent(fmt.Sprintf("%s-%s-%d", strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-")), name, agents.Add(1)))
}

func namedAgent(name string) *testAgent {
	d := agent.Domain{Name: name, TaskQueue: name + "-tasks", Retry: retry.CPU()}
	return &testAgent{
		Base:     d.Base(),
		domain:   d,
		workflow: agent.NewWorkflow[Text, Text](d, "Echo"),
		activity: agent.NewActivity[Text, Text](d, "echo", agent.StartToClose(time.Minute)),
	}
}

func (a *testAgent) Workflows() []agent.Binding {
	return agent.Bind(a.workflow.To(func(ctx workflow.Context, in Text) (Text, error) {
		if a.onWorkflow != nil {
			a.onWorkflow(ctx, in)
		}
		return a.activity.Execute(ctx, in)
	}))
}

func (a *testAgent) Activities() []agent.Binding {
	return agent.Bind(a.activity.To(func(ctx context.Context, in Text) (Text, error) {
		if a.onEcho != nil {
			return a.onEcho(ctx, in)
		}
		return in, nil
	}))
}

func (a *testAgent) Start(ctx context.Context) error {
	if a.onStart == nil {
		return nil
	}
	return a.onStart(ctx)
}

func (a *testAgent) Stop(ctx context.Context) error {
	if a.onStop == nil {
		return nil
	}
	return a.onStop(ctx)
}

func (a *testAgent) ConfigureWorker(o *worker.Options) {
	if a.onConfigure != nil {
		a.onConfigure(o)
	}
}

// echo has the agent answer one request.
func (a *testAgent) echo(t *testing.T, c client.Client, text string) {
	t.Helper()
	ctx := within(t, patience)
	started, err := a.workflow.Start(ctx, c, Text{text})
	require.NoError(t, err)
	answer, err := started.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, text, answer.Text)
}

// eventsOf returns the events of one type in a workflow's history.
func eventsOf(t *testing.T, c client.Client, id string, kind enumspb.EventType) (list []*historypb.HistoryEvent) {
	t.Helper()
	events := c.GetWorkflowHistory(within(t, patience), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		require.NoError(t, err)
		if e.GetEventType() == kind {
			list = append(list, e)
		}
	}
	return list
}
