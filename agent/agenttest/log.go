package agenttest

import (
	"io"
	"log/slog"
	"sync"
	"testing"

	sdklog "go.temporal.io/sdk/log"
)

// newLogger returns a logger that writes into the test's output, where it is
// seen if the test fails. After the test it is silent: the SDK's environment
// may log from goroutines that outlive it.
func newLogger(t testing.TB) sdklog.Logger {
	w := &testWriter{w: t.Output()}
	t.Cleanup(w.close)
	return sdklog.NewStructuredLogger(slog.New(slog.NewTextHandler(w, nil)))
}

var silent = sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))

type testWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (w *testWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(p)
}

func (w *testWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.w = io.Discard
}
