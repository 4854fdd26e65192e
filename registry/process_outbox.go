package registry

import (
	"slices"
	"sync"
	"time"

	"github.com/seed-ab6af24b/troupe/registry/internal/process"
)

// maxQueued bounds the log records that wait for the parent; what comes beyond
// is counted. An agent must not wait for its log.
const maxQueued = 1024

// outbox sends messages to the parent, in order, from a goroutine that lives as
// long as there are some. Nobody who has something to say waits for a parent that
// does not read: of what can pile up, log records are bounded, and a status takes
// the place of the one before.
type outbox struct {
	conn *process.Conn

	mu      sync.Mutex
	queue   []outgoing
	records int // of the queue
	lost    int
	idle    chan struct{} // closed when the queue is sent; nil while it is
}

type outgoing struct {
	process.Message
	sent chan struct{}
}

// put queues a message. The channel is closed when it is sent, or could not be.
func (o *outbox) put(m process.Message) (sent <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if m.Type == process.TypeStatus {
		o.queue = slices.DeleteFunc(o.queue, func(q outgoing) bool {
			older := q.Type == process.TypeStatus || q.Type == process.TypeBegin
			if older {
				close(q.sent)
			}
			return older
		})
	}
	q := outgoing{m, make(chan struct{})}
	o.queue = append(o.queue, q)
	if o.idle == nil {
		o.idle = make(chan struct{})
		go o.send()
	}
	return q.sent
}

// log queues a record, if there is room.
func (o *outbox) log(r process.Record) {
	o.mu.Lock()
	if o.records >= maxQueued {
		o.lost++
		o.mu.Unlock()
		return
	}
	o.records++
	r.Lost, o.lost = o.lost, 0
	o.mu.Unlock()
	o.put(process.Message{Type: process.TypeLog, Record: &r})
}

func (o *outbox) send() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.queue) > 0 {
		q := o.queue[0]
		o.queue = slices.Delete(o.queue, 0, 1)
		if q.Type == process.TypeLog {
			o.records--
		}
		o.mu.Unlock()
		// Without a parent there is nobody to tell; receive sees to that.
		_ = o.conn.Send(q.Message)
		close(q.sent)
		o.mu.Lock()
	}
	close(o.idle)
	o.idle = nil
}

// flush returns when what was put before is sent.
func (o *outbox) flush() {
	o.mu.Lock()
	idle := o.idle
	o.mu.Unlock()
	if idle != nil {
		<-idle
	}
}

// announceTimeout bounds how long an activity waits until its parent knows of it.
const announceTimeout = 100 * time.Millisecond

// announce tells the parent of an activity before it runs: one that ends the
// process at once would be missed by reports alone.
func (c *child) announce(a RunningActivity) {
	c.order.Lock()
	sent := c.out.put(process.Message{Type: process.TypeBegin, Status: encodeActivity(a)})
	c.order.Unlock()
	select {
	case <-sent:
	default:
		timer := time.NewTimer(announceTimeout)
		defer timer.Stop()
		select {
		case <-sent:
		case <-timer.C:
		}
	}
}
