package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/agent/devserver/devservertest"
)

// asProgram, set, makes the test binary the program itself, for tests that kill it.
const asProgram = "TROUPE_TEST_REMINDER"

// hostPort is the server's.
var hostPort string

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		go func() { // ends with the test
			_, _ = os.Stdin.Read(make([]byte, 1))
			os.Exit(exitFailed)
		}()
		main()
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	return devservertest.Run(m, func(address string) error {
		hostPort = address
		return nil
	})
}

// reminderJSON runs a command with --json and reads what it prints.
func reminderJSON(t *testing.T, out any, args ...string) (code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append(args, "--json", "--address", hostPort), &stdout, &stderr)
	require.NoError(t, json.Unmarshal(stdout.Bytes(), out), stderr.String())
	return code
}

type started struct {
	WorkflowID string `json:"workflow_id"`
}

type failed struct {
	Error struct{ Type, Message string }
}

func TestUsage(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		args   []string
		code   int
		stdout string // a part of it
		stderr string // its beginning
	}{
		{"help", []string{"--help"}, exitDone, "reminder [command]", ""},
		{"unknown command", []string{"wroker"}, exitUsage, "", `UsageError: unknown command "wroker"`},
		{"no time", []string{"start", "--text=tea"}, exitUsage, "", `UsageError: required flag(s) "in" not set`},
		{"no text", []string{"start", "--in=1s"}, exitUsage, "", `UsageError: required flag(s) "text" not set`},
		{"past", []string{"start", "--in=-1s", "--text=tea"}, exitUsage, "", "UsageError: --in is -1s, want 0 to 87600h0m0s"},
		{"fine spread", []string{"start", "--in=1s", "--text=tea", "--spread=1ms"}, exitUsage, "", "UsageError: --spread is 1ms, want whole seconds"},
		{"two ids", []string{"status", "a", "b"}, exitUsage, "", "UsageError: accepts at most 1 arg(s)"},
		{"no server", []string{"status", "--address=no-such-host.invalid:7233"}, exitFailed, "", "Error: "},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			require.Equal(t, c.code, run(t.Context(), c.args, &stdout, &stderr))
			require.Contains(t, stdout.String(), c.stdout)
			require.True(t, bytes.HasPrefix(stderr.Bytes(), []byte(c.stderr)), stderr.String())
			if c.code != exitDone {
				require.Equal(t, 1, bytes.Count(stderr.Bytes(), []byte("\n")), stderr.String())
			}
		})
	}
}

// Without any worker: starts are recorded, shown, and happen once.
func TestStartAndStatus(t *testing.T) {
	t.Parallel()
	var first, second started
	id := "tea-" + rand.Text()
	require.Equal(t, exitDone, reminderJSON(t, &first, "start", "--in=24h", "--text=tea", "--id", id))
	require.Equal(t, id, first.WorkflowID)
	require.Equal(t, exitDone, reminderJSON(t, &second, "start", "--in=24h", "--text=milk"))
	require.Regexp(t, "^reminder-[A-Z2-7]{8}$", second.WorkflowID)

	var refused failed
	require.Equal(t, exitFailed, reminderJSON(t, &refused, "start", "--in=24h", "--text=tea", "--id", id))
	require.Contains(t, refused.Error.Message, "already")
	refused = failed{}
	require.Equal(t, exitFailed, reminderJSON(t, &refused, "start", "--in=24h", "--text=tea\nmilk"))
	require.Equal(t, "InvalidDataError", refused.Error.Type)
	refused = failed{}
	require.Equal(t, exitFailed, reminderJSON(t, &refused, "status", "nobody"))
	require.Contains(t, refused.Error.Message, "not found")

	var one []reminderStatus
	require.Equal(t, exitDone, reminderJSON(t, &one, "status", id))
	require.Len(t, one, 1)
	require.WithinDuration(t, time.Now().Add(24*time.Hour), one[0].At, time.Minute)
	one[0].At = time.Time{}
	require.Equal(t, reminderStatus{WorkflowID: id, Status: "running", Text: "tea"}, one[0])

	require.Eventually(t, func() bool {
		var all []reminderStatus
		reminderJSON(t, &all, "status")
		ids := map[string]bool{}
		for _, r := range all {
			ids[r.WorkflowID] = true
		}
		return ids[id] && ids[second.WorkflowID]
	}, 10*time.Second, 50*time.Millisecond, "the list lacks a reminder")
}

func TestTable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, writeTable(&out, []reminderStatus{
		{WorkflowID: "tea-1", Status: "running", At: time.Date(2030, 1, 2, 9, 0, 0, 0, time.Local), Text: "tea"},
		{WorkflowID: "made-elsewhere", Status: "completed"},
	}))
	require.Equal(t, ""+
		"WORKFLOW        STATUS     AT                   TEXT\n"+
		"tea-1           running    2030-01-02 09:00:00  tea\n"+
		"made-elsewhere  completed  unknown              \n", out.String())
}
