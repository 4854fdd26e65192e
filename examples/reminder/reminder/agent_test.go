package reminder

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/agent/agenttest"
	"github.com/seed-ab6af24b/troupe/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var begin = time.Date(2030, 1, 2, 9, 0, 0, 0, time.UTC)

// environment runs the agent, with a clock that begins at begin and jumps to the
// next timer.
func environment(t *testing.T, file string) *agenttest.Environment {
	t.Helper()
	env := agenttest.NewEnvironment(t, agenttest.Start(t, New(file)))
	env.SetStartTime(begin)
	return env
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(data)
}

func TestWorkflow(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		at       time.Time
		spread   time.Duration
		earliest time.Duration // of its coming, after begin
	}{
		{"in a day", begin.Add(24 * time.Hour), 0, 24 * time.Hour},
		{"spread", begin.Add(time.Hour), time.Hour, time.Hour},
		{"now", begin, 0, 0},
		{"overdue", begin.Add(-time.Hour), 0, 0},
		{"in five years", begin.Add(MaxAhead / 2), 0, MaxAhead / 2}, // the SDK's environment ends workflows after ten
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "reminders.txt")
			env := environment(t, file)
			receipt, err := agenttest.Run(env, Remind, Request{Text: "tea", At: c.at, SpreadSeconds: int(c.spread.Seconds())},
				agent.WithID("reminder-1"))
			require.NoError(t, err)

			slept := env.Now().Sub(begin)
			require.GreaterOrEqual(t, slept, c.earliest)
			require.Less(t, slept, c.earliest+c.spread+time.Minute)
			require.False(t, receipt.Due.Before(c.at))
			require.False(t, receipt.Due.After(c.at.Add(c.spread)))
			require.Equal(t, receipt.At.Format(time.RFC3339Nano)+"\treminder-1\t"+receipt.Number+"\ttea\n", read(t, file))
			require.Len(t, receipt.Number, 26)
		})
	}
}

// The activity is tried until it succeeds; nothing comes before its time.
func TestWorkflowTriesAgain(t *testing.T) {
	t.Parallel()
	env := environment(t, filepath.Join(t.TempDir(), "reminders.txt"))
	appends := agenttest.Mock(env, Append)
	for range 9 {
		appends.Do(func(context.Context, Line) (Appended, error) {
			if env.Now().Before(begin.Add(time.Hour)) {
				return Appended{}, retry.InvalidData.Errorf("too early")
			}
			return Appended{}, errors.New("the disk is full")
		})
	}
	appends.Return(Appended{At: begin.Add(2 * time.Hour)})
	receipt, err := agenttest.Run(env, Remind, Request{Text: "tea", At: begin.Add(time.Hour)})
	require.NoError(t, err)
	require.Equal(t, begin.Add(2*time.Hour), receipt.At)
	require.Len(t, appends.Calls(), 10)
	for _, line := range appends.Calls() {
		require.Equal(t, Line{Text: "tea", Number: receipt.Number}, line)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "reminders.txt")
	env := environment(t, file)
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
	_, err := agenttest.Run(env, Remind, Request{Text: "tea", At: begin.Add(time.Hour)})
	require.True(t, temporal.IsCanceledError(err), "%v", err)
	require.Empty(t, read(t, file))
}

func TestRefused(t *testing.T) {
	t.Parallel()
	good := Request{Text: "tea", At: begin}
	cases := []struct {
		name   string
		change func(*Request)
		want   string // the error, "" for none
	}{
		{"good", func(*Request) {}, ""},
		{"as long as may be", func(r *Request) { r.Text = strings.Repeat("x", MaxTextBytes); r.SpreadSeconds = 86400 }, ""},
		{"no text", func(r *Request) { r.Text = "" }, "text is empty"},
		{"long text", func(r *Request) { r.Text = strings.Repeat("x", MaxTextBytes+1) }, "text has 1001 bytes, more than 1000"},
		{"two lines", func(r *Request) { r.Text = "tea\nmilk" }, `text = "tea\nmilk" holds line breaks or other control characters`},
		{"no time", func(r *Request) { r.At = time.Time{} }, "at is missing: want a time such as 2030-01-02T15:04:05Z"},
		{"negative spread", func(r *Request) { r.SpreadSeconds = -1 }, "spread_seconds = -1, want 0 to 86400"},
		{"wide spread", func(r *Request) { r.SpreadSeconds = 86401 }, "spread_seconds = 86401, want 0 to 86400"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			req := good
			c.change(&req)
			if err := req.Validate(); c.want == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, c.want)
			}
		})
	}
}

// What the request cannot know, the workflow refuses.
func TestRefusedByTheWorkflow(t *testing.T) {
	t.Parallel()
	cases := []struct {
		id   string
		at   time.Time
		want string
	}{
		{"reminder-1", begin.Add(MaxAhead + time.Second), "at = 2039-12-31T09:00:01Z is more than 87600h0m0s ahead"},
		{"reminder\t1", begin, `workflow id "reminder\t1" holds control characters`},
	}
	for _, c := range cases {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			env := environment(t, filepath.Join(t.TempDir(), "reminders.txt"))
			_, err := agenttest.Run(env, Remind, Request{Text: "tea", At: c.at}, agent.WithID(c.id))
			require.ErrorContains(t, err, c.want)
			class, _ := retry.ClassOf(err)
			require.Equal(t, retry.InvalidData, class)
		})
	}
}

// Reminders that sleep while the worker is replaced go on with the new code: it
// must do what the recorded histories say. A change of the workflow that is
// meant gets a history of its own beside them (agenttest.Record).
func TestReplay(t *testing.T) {
	t.Parallel()
	agenttest.Replay(t, "testdata/histories", New("unused"))
}
