package agenttest_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/agent/agenttest"
)

const recorded = "testdata/histories/greeter/HelloWorkflow-ada.json"

func TestReplay(t *testing.T) {
	agenttest.Replay(t, "testdata/histories", newGreeter())
}

// changed is the greeter with workflows that came later.
type changed struct {
	*greeter
	hello func(workflow.Context, name) (greeting, error)
}

func (c *changed) Workflows() []agent.Binding { return agent.Bind(hello.To(c.hello)) }

func TestReplayFails(t *testing.T) {
	text, err := os.ReadFile(recorded)
	require.NoError(t, err)
	other := *newGreeter()
	cases := []struct {
		name, history, want string
		agent               agent.Agent
	}{
		{"another activity", string(text), "HelloWorkflow no longer does what the history says", &changed{&other, func(ctx workflow.Context, n name) (greeting, error) {
			_, err := lookup.Execute(ctx, n)
			return greeting{}, err
		}}},
		{"panic", string(text), "HelloWorkflow no longer does what the history says", &changed{&other, func(workflow.Context, name) (greeting, error) {
			panic("boom")
		}}},
		{"not JSON", "{", "not a workflow's history as JSON", newGreeter()},
		{"no events", "{}", "the history has no events", newGreeter()},
		{"not from the start", `{"events": [{"eventId": "2", "eventType": "EVENT_TYPE_WORKFLOW_TASK_STARTED"}]}`,
			"events[0] is a WorkflowTaskStarted, want the start of a workflow", newGreeter()},
		{"unknown workflow", strings.ReplaceAll(string(text), "HelloWorkflow", "FarewellWorkflow"),
			`it is the history of a "FarewellWorkflow", which is no workflow of the agent "greeter"; those are HelloWorkflow, PartyWorkflow, CallUpWorkflow`, newGreeter()},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "case.json")
			require.NoError(t, os.WriteFile(path, []byte(c.history), 0o600))
			err := agenttest.ReplayFile(path, c.agent)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, path+": ")
		})
	}
	require.ErrorIs(t, agenttest.ReplayFile("none.json", newGreeter()), fs.ErrNotExist)
}

func TestHistories(t *testing.T) {
	dir := t.TempDir()
	_, err := agenttest.Histories(dir, newGreeter())
	require.ErrorContains(t, err, `histories of the agent "greeter" in `+filepath.Join(dir, "greeter"))
	require.ErrorIs(t, err, fs.ErrNotExist)

	require.NoError(t, os.MkdirAll(filepath.Join(dir, "greeter", "v1"), 0o750))
	_, err = agenttest.Histories(dir, newGreeter())
	require.ErrorContains(t, err, "no file *.json")

	for _, file := range []string{"greeter/a.json", "greeter/v1/b.json", "greeter/README.md", "phonebook/c.json"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), nil, 0o600))
	}
	files, err := agenttest.Histories(dir, newGreeter())
	require.NoError(t, err)
	require.Equal(t, []string{filepath.FromSlash("greeter/a.json"), filepath.FromSlash("greeter/v1/b.json")}, files)

	_, err = agenttest.Histories(dir, nil)
	require.EqualError(t, err, "agent is nil")
}

// historyClient has the history of one workflow.
type historyClient struct {
	client.Client
	events []*historypb.HistoryEvent
	err    error
}

func (c *historyClient) GetWorkflowHistory(_ context.Context, id, _ string, longPoll bool, filter enumspb.HistoryEventFilterType) client.HistoryEventIterator {
	if id != "hello" || longPoll || filter != enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT {
		return &historyClient{err: errors.New("another question")}
	}
	return c
}

func (c *historyClient) HasNext() bool { return len(c.events) > 0 || c.err != nil }
func (c *historyClient) Next() (*historypb.HistoryEvent, error) {
	if c.err != nil {
		return nil, c.err
	}
	e := c.events[0]
	c.events = c.events[1:]
	return e, nil
}

// What was recorded from a server and read again is recorded as the same bytes.
func TestRecord(t *testing.T) {
	want, err := os.ReadFile(recorded)
	require.NoError(t, err)
	history, err := client.HistoryFromJSON(strings.NewReader(string(want)), client.HistoryJSONOptions{})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "histories", "greeter", "HelloWorkflow-ada.json")
	for range 2 {
		require.NoError(t, agenttest.Record(t.Context(), &historyClient{events: history.Events}, "hello", "", path))
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
	}
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, files, 1)
}

func TestRecordFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "h.json")
	gone := errors.New("gone")
	require.ErrorIs(t, agenttest.Record(t.Context(), &historyClient{err: gone}, "hello", "", path), gone)
	require.EqualError(t, agenttest.Record(t.Context(), &historyClient{}, "hello", "", path), `history of the workflow "hello" has no events`)
	one := []*historypb.HistoryEvent{{EventId: 1}}
	require.Error(t, agenttest.Record(t.Context(), &historyClient{events: one}, "hello", "", dir), "dir is a folder")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}
