package reminder

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/agent/agenttest"
)

const early = "2030-01-02T09:00:00Z"

func TestAppend(t *testing.T) {
	t.Parallel()
	at, err := time.Parse(time.RFC3339, early)
	require.NoError(t, err)
	cases := []struct {
		name, file string
		want       string // what stands before the new line
		done       bool   // there is no new line
	}{
		{"empty", "", "", false},
		{"other lines", early + "\tid-10\tN\ttext\n" + early + "\tid\tid-1\ttext\n", early + "\tid-10\tN\ttext\n" + early + "\tid\tid-1\ttext\n", false},
		{"done already", early + "\tid-1\tN\ttea\n", early + "\tid-1\tN\ttea\n", true},
		{"done already, in Windows' way", early + "\tid-1\tN\ttea\r\n", early + "\tid-1\tN\ttea\r\n", true},
		{"done but for the line break", early + "\tid-1\tN\ttea", early + "\tid-1\tN\ttea", true},
		{"cut off", early + "\tid-1\tN\tte", early + "\tid-1\tN\tte\n", false},
		{"not its own", "shopping list\n\n\t\n", "shopping list\n\n\t\n", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := &book{path: filepath.Join(t.TempDir(), "reminders.txt")}
			require.NoError(t, os.WriteFile(b.path, []byte(c.file), 0o644))
			for range 2 { // the second attempt comes when the first has done it
				got, err := b.append(t.Context(), "id-1", Line{Text: "tea", Number: "N"})
				require.NoError(t, err)
				if c.done {
					require.Equal(t, at, got)
					require.Equal(t, c.want, read(t, b.path))
				} else {
					require.WithinDuration(t, time.Now(), got, time.Minute)
					require.Equal(t, c.want+got.Format(time.RFC3339Nano)+"\tid-1\tN\ttea\n", read(t, b.path))
				}
			}
		})
	}
}

func TestAppendErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := &book{path: filepath.Join(dir, "none", "reminders.txt")}
	require.ErrorContains(t, New(b.path).Start(t.Context()), "none")
	_, err := b.append(t.Context(), "id-1", Line{})
	require.ErrorContains(t, err, "none")

	b = &book{path: filepath.Join(dir, "reminders.txt")}
	require.NoError(t, os.WriteFile(b.path, []byte("\nnow\tid-1\tN\ttea\n"), 0o644))
	_, err = b.append(t.Context(), "id-1", Line{Text: "tea"})
	require.EqualError(t, err, b.path+`: line 2: "now" is not a time such as 2006-01-02T15:04:05Z`)

	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.append(over, "id-2", Line{})
	require.ErrorIs(t, err, context.Canceled)
	require.NotContains(t, read(t, b.path), "id-2")
}

// Many reminders that are due at once, each in two attempts.
func TestAppendAtOnce(t *testing.T) {
	t.Parallel()
	const n = 50
	b := &book{path: filepath.Join(t.TempDir(), "reminders.txt")}
	var (
		wg   sync.WaitGroup
		errs = make(chan error, 2*n)
	)
	for i := range 2 * n {
		wg.Go(func() {
			_, err := b.append(t.Context(), fmt.Sprintf("id-%d", i%n), Line{Text: "tea", Number: "N"})
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	lines := strings.Split(strings.TrimSpace(read(t, b.path)), "\n")
	require.Len(t, lines, n)
	seen := map[string]bool{}
	for _, line := range lines {
		fields := strings.Split(line, "\t")
		require.Len(t, fields, 4)
		seen[fields[1]] = true
	}
	require.Len(t, seen, n)
}

// The activity finds its line by the id of its workflow.
func TestActivityAgain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "reminders.txt")
	env := agenttest.NewEnvironment(t, New(file))
	for range 2 {
		_, err := agenttest.RunActivity(env, Append, Line{Text: "tea", Number: "N"})
		require.NoError(t, err)
	}
	require.Equal(t, 1, strings.Count(read(t, file), "\n"))
	require.Contains(t, read(t, file), "\tdefault-test-workflow-id\tN\ttea\n")
}
