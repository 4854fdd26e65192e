package devserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/goleak"
)

// These make the test binary another program.
const (
	// childFile: serve this database file, say where, run until killed.
	childFile = "DEVSERVER_TEST_CHILD_FILE"
	// childPort: start on this port, lose it meanwhile, say what became of it.
	childPort = "DEVSERVER_TEST_CHILD_PORT"
)

func TestMain(m *testing.M) {
	if file := os.Getenv(childFile); file != "" {
		os.Exit(serveAsChild(file))
	}
	if port := os.Getenv(childPort); port != "" {
		os.Exit(losePortAsChild(port))
	}
	code := m.Run()
	if code == 0 {
		if err := leaks(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// leaks waits until no goroutine is left. On a loaded machine, what is about to end takes longer than goleak waits: a
// system worker that has just begun to start asks the stopped server a few times more.
func leaks(options ...goleak.Option) (err error) {
	for deadline := time.Now().Add(30 * time.Second); ; {
		if err = goleak.Find(append(options, leftBehind...)...); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// leftBehind are the goroutines that a stopped server leaves: parked ones, that nothing wakes any more.
var leftBehind = []goleak.Option{
	// The services connect to each other and never close these connections; what stays is one parked goroutine for
	// each of the callback queues of a connection, without a socket.
	goleak.IgnoreTopFunction("google.golang.org/grpc/internal/grpcsync.(*CallbackSerializer).run"),
	// The server keeps its sql.DB for the life of the process; its connection is closed, this goroutine waits.
	goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"),
}

func serveAsChild(file string) int {
	s, err := Start(context.Background(), Options{Port: AnyPort, UIPort: NoUI, DBFile: file})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(s.HostPort())
	runtime.GC()                         // s is garbage from here on, which must not end anything
	_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent
	return 0
}

// losePortAsChild takes the port away between its choice and its use. The services that the server had built by then
// leave goroutines behind, hence a process of its own.
func losePortAsChild(port string) int {
	var taken net.Listener
	taker := &onRecord{do: func() {
		var err error
		if taken, err = net.Listen("tcp", net.JoinHostPort(DefaultHost, port)); err != nil {
			fmt.Println(err)
		}
	}}
	n, _ := strconv.Atoi(port)
	s, err := Start(context.Background(), Options{Port: n, UIPort: NoUI, Logger: slog.New(taker)})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for _, notice := range s.Notices() {
		fmt.Println(notice)
	}
	if err := errors.Join(s.Stop(), taken.Close()); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// startChild returns a running child and its address.
func startChild(t *testing.T, file string) (*exec.Cmd, string) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childFile+"="+file)
	cmd.Stderr = os.Stderr
	_, err = cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, _, err := bufio.NewReader(out).ReadLine()
	require.NoError(t, err)
	require.Regexp(t, `^127\.0\.0\.1:\d+$`, string(line))
	return cmd, string(line)
}

// start starts a server that stops with the test.
func start(t testing.TB, opts Options) *Server {
	t.Helper()
	if opts.Port == 0 {
		opts.Port = AnyPort
	}
	s, err := Start(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

func dial(t testing.TB, hostPort, namespace string) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: hostPort, Namespace: namespace, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

const queue = "q"

// startWorker runs the workflows below.
func startWorker(t testing.TB, c client.Client) {
	t.Helper()
	w := worker.New(c, queue, worker.Options{WorkerStopTimeout: time.Second})
	w.RegisterWorkflow(hello)
	w.RegisterWorkflow(waitForWord)
	w.RegisterWorkflow(twoActivities)
	w.RegisterWorkflow(sleeps)
	w.RegisterActivity(noop)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
}

func hello(_ workflow.Context, name string) (string, error) { return "Hello " + name, nil }

func waitForWord(ctx workflow.Context) (string, error) {
	var word string
	workflow.GetSignalChannel(ctx, "word").Receive(ctx, &word)
	return word, nil
}

func twoActivities(ctx workflow.Context) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	if err := workflow.ExecuteActivity(ctx, noop).Get(ctx, nil); err != nil {
		return err
	}
	return workflow.ExecuteActivity(ctx, noop).Get(ctx, nil)
}

func noop(context.Context) error { return nil }

func sleeps(ctx workflow.Context, n int, d time.Duration) error {
	for range n {
		if err := workflow.Sleep(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// requireHello runs one workflow. It does not retry: a server that Start returned must be usable at once.
func requireHello(t testing.TB, c client.Client) {
	t.Helper()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: queue}, hello, "Ada")
	require.NoError(t, err)
	var got string
	require.NoError(t, run.Get(t.Context(), &got))
	require.Equal(t, "Hello Ada", got)
}
