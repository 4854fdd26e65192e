package devserver

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
)

func testLogger(level slog.Level) (serverLogger, *bytes.Buffer) {
	var out bytes.Buffer
	return newServerLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))), &out
}

func TestLogger(t *testing.T) {
	t.Parallel()
	l, out := testLogger(slog.LevelInfo)
	l.Debug("too fine")
	l.Info("started", tag.Service("history"), tag.Address("127.0.0.1:1"))
	log.With(l, tag.WorkflowID("w")).Warn("slow", tag.Duration("after", time.Second))
	l.Error("failed", tag.Error(errors.New("no reason")))
	l.DPanic("odd")
	l.SLog().Info("by the SDK")
	require.PanicsWithValue(t, "panicked", func() { l.Panic("panicked") })
	require.Equal(t, `level=INFO msg=started service=history address=127.0.0.1:1
level=WARN msg=slow wf-id=w after=1s
level=ERROR msg=failed error="no reason"
level=ERROR msg=odd
level=INFO msg="by the SDK"
level=ERROR msg=panicked
`, out.String())
	require.NoError(t, l.fatal.get())
}

func TestGuard(t *testing.T) {
	t.Parallel()
	cause := errors.New("no reason")
	for name, test := range map[string]struct {
		f    func(*engine) error
		want string
	}{
		"success": {func(*engine) error { return nil }, ""},
		"error":   {func(*engine) error { return cause }, "no reason"},
		"panic":   {func(*engine) error { panic("out of luck") }, "panic: out of luck"},
		"fatal":   {func(e *engine) error { e.log.Fatal("can't bind", tag.Error(cause)); return nil }, "can't bind: no reason"},
		"fatal without cause": {func(e *engine) error {
			e.log.Fatal("can't bind", tag.Address("a"))
			return nil
		}, "can't bind"},
		"fatal elsewhere": {func(e *engine) error {
			return (&engine{log: e.log.With(tag.Service("history")).(serverLogger)}).guard(func() error {
				e.log.Fatal("first")
				return nil
			})
		}, "first"},
		"fatal twice": {func(e *engine) error {
			_ = e.guard(func() error { e.log.Fatal("first"); return nil })
			e.log.Fatal("second")
			return nil
		}, "first"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, _ := testLogger(slog.LevelError)
			e := &engine{log: l}
			err := e.guard(func() error { return test.f(e) })
			if test.want == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, test.want)
			}
		})
	}
	l, _ := testLogger(slog.LevelError)
	e := &engine{log: l}
	require.ErrorIs(t, e.guard(func() error { l.Fatal("can't bind", tag.Error(cause)); return nil }), cause)
}
