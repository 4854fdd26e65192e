package devserver

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/server/common/dynamicconfig"
	"go.uber.org/goleak"
)

// A namespace's system worker that comes late, when the server has stopped all others, is not left behind. It is held
// up between its one look at the server's state and its start; not parallel, for it counts goroutines.
func TestStopBeforeSystemWorkersStart(t *testing.T) {
	before := goleak.IgnoreCurrent()
	late := &lateWorkers{asked: make(chan struct{}), stopped: make(chan struct{})}
	s, err := Start(t.Context(), Options{
		Port: AnyPort, UIPort: NoUI, Logger: slog.New(late),
		wrapConfig: func(c dynamicconfig.Client) dynamicconfig.Client {
			late.Client = c
			return late
		},
	})
	require.NoError(t, err)
	// The server is up before its namespaces' workers ask.
	select {
	case <-late.asked:
	case <-time.After(30 * time.Second):
		require.NoError(t, s.Stop())
		require.FailNow(t, "no namespace's worker asked whether it should start, so that nothing was held up")
	}
	require.NoError(t, s.Stop())
	select {
	case <-late.stopped:
	default:
		require.FailNow(t, "the server's workers did not stop, so that nothing was held up until then")
	}
	require.NoError(t, leaks(before))
}

// lateWorkers holds up who asks whether a namespace has a system worker until those that there are have stopped, which
// it finds in the log.
type lateWorkers struct {
	dynamicconfig.Client
	slog.Handler

	asked, stopped         chan struct{}
	askedOnce, stoppedOnce sync.Once
}

func (l *lateWorkers) GetValue(key dynamicconfig.Key) []dynamicconfig.ConstrainedValue {
	if key == dynamicconfig.WorkerEnableScheduler.Key() {
		l.askedOnce.Do(func() { close(l.asked) })
		<-l.stopped
	}
	return l.Client.GetValue(key)
}

func (l *lateWorkers) Enabled(context.Context, slog.Level) bool { return true }

func (l *lateWorkers) WithAttrs(attrs []slog.Attr) slog.Handler {
	return managerLog{lateWorkers: l, manager: describesManager(attrs)}
}

func (l *lateWorkers) Handle(context.Context, slog.Record) error { return nil }

// managerLog is the log of a component of the server, perhaps of the one that has the system workers.
type managerLog struct {
	*lateWorkers
	manager bool
}

func (m managerLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return managerLog{m.lateWorkers, m.manager || describesManager(attrs)}
}

func (m managerLog) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if m.manager && a.Key == "lifecycle" && a.Value.String() == "Stopped" {
			m.stoppedOnce.Do(func() { close(m.stopped) })
		}
		return true
	})
	return nil
}

func describesManager(attrs []slog.Attr) bool {
	for _, a := range attrs {
		if a.Key == "component" && a.Value.String() == "perns-worker-manager" {
			return true
		}
	}
	return false
}
