package registry

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// syncBuffer is a buffer that several goroutines write.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// lines returns the messages of the agent, in order.
func (b *syncBuffer) lines() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Split(strings.TrimSpace(b.buf.String()), "\n")
}

// The log tells an agent's story in a few lines, however long an outage takes.
func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log syncBuffer
		reg, server := newFake(func(o *Options) {
			o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				switch a.Key {
				case slog.MessageKey, slog.LevelKey, "agent", "error":
					return a
				}
				return slog.Attr{}
			}}))
		})
		a := newFakeAgent("a")
		var sick atomic.Bool
		a.onCheck = func(context.Context) error {
			if sick.Load() {
				return errors.New("sick")
			}
			return nil
		}
		stop := start(t, reg, a)
		require.NoError(t, reg.WaitReady(t.Context()))
		server.setDown(errDown)
		time.Sleep(time.Hour)
		server.setDown(nil)
		require.NoError(t, reg.WaitReady(t.Context()))
		sick.Store(true)
		time.Sleep(time.Hour)
		require.NoError(t, stop())
		require.Equal(t, []string{
			`level=INFO msg="Agent is ready" agent=a`,
			`level=WARN msg="Agent is not ready" agent=a error="describe task queue \"a-tasks\": connection refused"`,
			`level=INFO msg="Agent is ready" agent=a`,
			`level=WARN msg="Agent is not ready" agent=a error="health check: sick"`,
			`level=INFO msg="Stopping agent" agent=a`,
			`level=INFO msg="Agent stopped" agent=a`,
		}, log.lines())
	})
}
