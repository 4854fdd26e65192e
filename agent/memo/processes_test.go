package memo_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/agent/memo"
)

// With the variable set, the test binary is a process that computes "input" into
// the folder: it says "computing", waits for a line, and says what it has.
const childDir = "TROUPE_TEST_MEMO"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	goleak.VerifyTestMain(m)
}

func child(dir string) int {
	s, err := memo.Open(memo.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	got, hit, err := memo.Do(context.Background(), s, keyOf("input"), []string{filepath.Join(dir, fmt.Sprint(os.Getpid()))},
		func(_ context.Context, files []string) (answer, error) {
			fmt.Println("computing")
			_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
			return answer{"computed"}, os.WriteFile(files[0], []byte("file"), 0o644)
		})
	fmt.Println(got.Text, hit, err)
	return 0
}

type process struct {
	*exec.Cmd
	out  *bufio.Reader
	tell func()
}

func start(t *testing.T, dir string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return &process{cmd, bufio.NewReader(out), func() { _, _ = fmt.Fprintln(in) }}
}

func (p *process) line(t *testing.T) string {
	t.Helper()
	text, err := p.out.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(text)
}

// One process computes while the others wait; when it is killed, the next one
// does, and the rest have what that one stored.
func TestProcesses(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir)
	require.Equal(t, "computing", first.line(t))
	second := start(t, dir)
	require.NoError(t, first.Process.Kill())
	require.Equal(t, "computing", second.line(t))
	third := start(t, dir)
	second.tell()
	require.Equal(t, "computed false <nil>", second.line(t))
	require.Equal(t, "computed true <nil>", third.line(t))
	requireFile(t, "file", filepath.Join(dir, fmt.Sprint(third.Process.Pid)))
	requireNames(t, filepath.Join(dir, "locks"))

	fourth := start(t, dir)
	require.Equal(t, "computed true <nil>", fourth.line(t))
}
