// Package integration holds the tests that need a real Temporal server. They
// share one, in this process, on a free port; tests keep apart by names of
// agents and task queues.
package integration

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/agent/devserver"
)

// hostPort is the shared server's.
var hostPort string

func TestMain(m *testing.M) {
	if port := os.Getenv(childServerPort); port != "" {
		os.Exit(serveChild(port, os.Getenv(childServerFile)))
	}
	if config := os.Getenv(childWorkerConfig); config != "" {
		os.Exit(workChild(config))
	}
	if name := os.Getenv(childAgent); name != "" {
		os.Exit(playAgent(name))
	}
	if config := os.Getenv(childProcess); config != "" {
		os.Exit(playScgpt(config))
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	server, err := devserver.Start(context.Background(), devserver.Options{
		Port: devserver.AnyPort, UIPort: devserver.NoUI,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	hostPort = server.HostPort()
	code := m.Run()
	err = server.Stop()
	if err == nil && code == 0 {
		err = goleak.Find(
			// What a stopped server leaves, parked for good: see agent/devserver.
			goleak.IgnoreTopFunction("google.golang.org/grpc/internal/grpcsync.(*CallbackSerializer).run"),
			goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"),
		)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
