package registry

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed-ab6af24b/troupe/registry/internal/process"
)

// childHandler is the handler of a child's log. The handler that the program has
// chosen says which records are wanted, the parent's writes them.
type childHandler struct {
	out    *outbox
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
	h.out.log(record)
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
