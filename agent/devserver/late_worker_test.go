package devserver

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/server/common/dynamicconfig"
	"go.uber.org/goleak"
)

// A namespace's system worker that comes late, when the server has stopped all others, is not left behind. It is held
// up between its one look at the server's state and its start; not parallel, for it counts goroutines.
func TestStopBeforeSystemWorkersStart(t *testing.T) {
	before := goleak.IgnoreCurrent()
	late := &lateWorkers{stopped: make(chan struct{})}
	s, err := Start(t.Context(), Options{
		Port: AnyPort, UIPort: NoUI, Logger: slog.New(late),
		wrapConfig: func(c dynamicconfig.Client) dynamicconfig.Client {
			late.Client = c
			return late
		},
	})
	require.NoError(t, err)
	require.NoError(t, s.Stop())
	select {
	case <-late.stopped:
	default:
		require.FailNow(t, "the server's workers did not stop, so that nothing was held up until then")
	}
	require.Positive(t, late.held())
	require.NoError(t, leaks(before))
}

// lateWorkers holds up who asks whether a namespace has a system worker until those that there are have stopped, which
// it finds in the log.
type lateWorkers struct {
	dynamicconfig.Client
	slog.Handler

	mu      sync.Mutex
	n       int
	stopped chan struct{}
	once    sync.Once
}

func (l *lateWorkers) held() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

func (l *lateWorkers) GetValue(key dynamicconfig.Key) []dynamicconfig.ConstrainedValue {
	if key == dynamicconfig.WorkerEnableScheduler.Key() {
		l.mu.Lock()
		l.n++
		l.mu.Unlock()
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
			m.once.Do(func() { close(m.stopped) })
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
