// Package devservertest has the tests of a package share an embedded Temporal
// server.
package devservertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/agent/devserver"
)

// Run starts a server in memory on any free port, without a UI, calls setup with its
// address, and runs the tests. Afterwards it stops the server and, if the tests passed, makes
// sure that no goroutine is left. It returns the exit code:
//
//	func TestMain(m *testing.M) {
//		os.Exit(devservertest.Run(m, func(address string) error {
//			hostPort = address
//			return nil
//		}))
//	}
//
// The functions of cleanup are called before the server stops.
func Run(m *testing.M, setup func(address string) error, cleanup ...func()) int {
	server, err := devserver.Start(context.Background(), devserver.Options{Port: devserver.AnyPort, UIPort: devserver.NoUI})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := 1
	if err = setup(server.HostPort()); err == nil {
		code = m.Run()
		for _, f := range cleanup {
			f()
		}
	}
	err = errors.Join(err, server.Stop())
	if err == nil && code == 0 {
		err = leaks(
			// What a stopped server leaves, parked for good: see the tests of package devserver.
			goleak.IgnoreTopFunction("google.golang.org/grpc/internal/grpcsync.(*CallbackSerializer).run"),
			goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"),
			// Worker deployments register task queues in batches; each batcher ends by itself some time after its last one.
			goleak.IgnoreTopFunction("go.temporal.io/server/common/stream_batcher.(*Batcher[...]).loop"),
		)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// leaks waits until no goroutine is left: on a loaded machine, what is about to end
// takes longer than goleak waits.
func leaks(options ...goleak.Option) (err error) {
	for deadline := time.Now().Add(30 * time.Second); ; {
		if err = goleak.Find(options...); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}
