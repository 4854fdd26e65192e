package registry

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/seed-ab6af24b/troupe/registry/internal/process"
)

// maxQueued bounds the log records that wait for the parent; what comes beyond
// is counted. An agent must not wait for its log.
const maxQueued = 1024

// childLog sends log records to the parent, in order.
type childLog struct {
	conn *process.Conn

	mu    sync.Mutex
	queue []process.Record
	lost  int
	idle  chan struct{} // closed when the queue is sent; nil while nobody sends it
}

func newChildLog(conn *process.Conn) *childLog { return &childLog{conn: conn} }

// add never waits. A goroutine sends what there is and ends.
func (l *childLog) add(r process.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) >= maxQueued {
		l.lost++
		return
	}
	r.Lost, l.lost = l.lost, 0
	l.queue = append(l.queue, r)
	if l.idle == nil {
		l.idle = make(chan struct{})
		go l.send()
	}
}

func (l *childLog) send() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) > 0 {
		batch := l.queue
		l.queue = nil
		l.mu.Unlock()
		for i := range batch {
			// Without a parent there is nobody to tell.
			_ = l.conn.Send(process.Message{Type: process.TypeLog, Record: &batch[i]})
		}
		l.mu.Lock()
	}
	close(l.idle)
	l.idle = nil
}

// flush returns when what was added before is sent.
func (l *childLog) flush() {
	l.mu.Lock()
	idle := l.idle
	l.mu.Unlock()
	if idle != nil {
		<-idle
	}
}

// childHandler is the handler of a child's log. The handler that the program has
// chosen says which records are wanted, the parent's writes them.
type childHandler struct {
	log    *childLog
	wanted slog.Handler
	groups string
	attrs  []process.Attr
}

func (h *childHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.wanted.Enabled(ctx, level)
}

func (h *childHandler) Handle(_ context.Context, r slog.Record) error {
	record := process.Record{Time: r.Time, Level: int(r.Level), Message: r.Message, Attrs: h.attrs[:len(h.attrs):len(h.attrs)]}
	r.Attrs(func(a slog.Attr) bool {
		record.Attrs = flatten(record.Attrs, h.groups, a)
		return true
	})
	h.log.add(record)
	return nil
}

func (h *childHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = c.attrs[:len(c.attrs):len(c.attrs)]
	for _, a := range attrs {
		c.attrs = flatten(c.attrs, c.groups, a)
	}
	return &c
}

func (h *childHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.groups += name + "."
	return &c
}

// flatten appends the attribute, its groups as parts of its name, its value as
// something that JSON has.
func flatten(to []process.Attr, groups string, a slog.Attr) []process.Attr {
	value := a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return to
	}
	var v any
	switch value.Kind() {
	case slog.KindGroup:
		if a.Key != "" {
			groups += a.Key + "."
		}
		for _, member := range value.Group() {
			to = flatten(to, groups, member)
		}
		return to
	case slog.KindBool:
		v = value.Bool()
	case slog.KindInt64:
		v = value.Int64()
	case slog.KindUint64:
		v = value.Uint64()
	case slog.KindTime:
		v = value.Time().Format(time.RFC3339Nano)
	default: // floats too: JSON has no NaN
		v = fmt.Sprint(value.Any())
	}
	return append(to, process.Attr{Key: groups + a.Key, Value: v})
}
