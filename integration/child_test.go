package integration

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/agent/devserver"
)

// With the port set, the test binary is a Temporal server instead, over the file
// if there is one: for tests that kill one, and for benchmarks.
const (
	childServerPort = "TROUPE_TEST_SERVER_PORT"
	childServerFile = "TROUPE_TEST_SERVER_FILE"
)

// serveChild runs a server until standard input ends.
func serveChild(portText, file string) int {
	port, err := strconv.Atoi(portText)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	server, err := devserver.Start(context.Background(), devserver.Options{
		Port: port, UIPort: devserver.NoUI, DBFile: file,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("listening on", server.HostPort())
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
	return 0
}

// childServer starts a server in a process of its own, in memory if file is
// empty, and returns when it serves. kill is SIGKILL.
func childServer(t testing.TB, file string, port int) (address string, kill func()) {
	t.Helper()
	address, _, kill = startChildServer(t, file, port)
	return address, kill
}

// startChildServer is childServer that returns the process's id too.
func startChildServer(t testing.TB, file string, port int) (address string, pid int, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childServerFile+"="+file, childServerPort+"="+strconv.Itoa(port))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	killed := false
	kill = func() {
		if killed {
			return
		}
		killed = true
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = stdin.Close()
	}
	t.Cleanup(kill)

	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	require.True(t, ok, line)
	return address, cmd.Process.Pid, kill
}
