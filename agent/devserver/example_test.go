package devserver_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent/devserver"
)

func Greet(_ workflow.Context, name string) (string, error) { return "Hello " + name, nil }

// A server for a test: in memory, on any free port.
func Example() {
	ctx := context.Background()
	server, err := devserver.Start(ctx, devserver.Options{Port: devserver.AnyPort, UIPort: devserver.NoUI})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = server.Stop() }()

	c, err := client.Dial(client.Options{HostPort: server.HostPort(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	w := worker.New(c, "greetings", worker.Options{})
	w.RegisterWorkflow(Greet)
	if err := w.Start(); err != nil {
		log.Fatal(err)
	}
	defer w.Stop()

	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: "greetings"}, Greet, "Ada")
	if err != nil {
		log.Fatal(err)
	}
	var greeting string
	if err := run.Get(ctx, &greeting); err != nil {
		log.Fatal(err)
	}
	fmt.Println(greeting)
	// Output: Hello Ada
}

// A server for a program of its user's: a running one if there is one, else one that keeps its workflows in a file,
// with the web UI.
func ExampleStart() {
	server, err := devserver.Start(context.Background(), devserver.Options{
		DBFile:     "workflows.db",
		Namespaces: []string{"lab"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = server.Stop() }()
	for _, notice := range server.Notices() {
		fmt.Println("note:", notice)
	}
	fmt.Println("Temporal is at", server.HostPort())
	fmt.Println("watch it at", server.WorkflowURL("lab", "analysis-1", ""))
}

// One process at a time has a database file. Another one is told who has it and may use that server.
func ExampleInUseError() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	opts := devserver.Options{Port: devserver.AnyPort, DBFile: filepath.Join(dir, "workflows.db")}
	server, err := devserver.Start(context.Background(), opts)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = server.Stop() }()

	_, err = devserver.Start(context.Background(), opts)
	var inUse *devserver.InUseError
	if errors.As(err, &inUse) {
		fmt.Println("this process has it:", inUse.PID == os.Getpid())
		fmt.Println("its server:", inUse.HostPort == server.HostPort())
	}
	// Output:
	// this process has it: true
	// its server: true
}
