// Package integration holds the tests that need a real Temporal server. They
// share one, in this process, on a free port; tests keep apart by names of
// agents and task queues.
package integration

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-ab6af24b/troupe/agent/devserver/devservertest"
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
	if config := os.Getenv(childParent); config != "" {
		os.Exit(playParent(config))
	}
	if config := os.Getenv(childProcess); config != "" {
		os.Exit(playScgpt(config))
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	// The folder for temporary files is behind a link on macOS: results name files by
	// their real paths, and tests compare them.
	if dir, err := filepath.EvalSymlinks(os.TempDir()); err == nil {
		_ = os.Setenv("TMPDIR", dir)
	}
	return devservertest.Run(m, func(address string) error {
		hostPort = address
		return nil
	})
}
