package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-ab6af24b/troupe/registry/internal/process"
)

// child is the connection of a process to the registry that started it, seen
// from the process.
type child struct {
	conn  *process.Conn
	hello process.Hello
	out   *outbox
	// members are the registries of this program.
	members *members
	// refuse says once, for all of them, that none has the agent.
	refuse sync.Once
	// order keeps a report that knows nothing of an activity from being sent
	// after the activity's announcement.
	order sync.Mutex
	// gathering tells that metrics are being gathered.
	gathering atomic.Bool
	// exit ends this process.
	exit func(code int)
}

// reportPause is the least time between two reports of the agent's status: an
// agent may run thousands of activities a second.
const reportPause = 20 * time.Millisecond

// asChild returns this process's connection to its parent, nil if it has none.
var asChild = sync.OnceValues(func() (*child, error) {
	conn, hello, ok, err := process.Parent()
	if !ok || err != nil {
		refuseVersion(conn, err)
		return nil, err
	}
	return newChild(conn, hello, os.Exit), nil
})

// refuseVersion says hello to a parent that speaks another version of the protocol,
// so that it knows why this process ends, and that another would do so too.
func refuseVersion(conn *process.Conn, err error) {
	var other *process.VersionError
	if errors.As(err, &other) {
		_ = conn.Send(process.Message{Type: process.TypeHello, Hello: &process.Hello{Protocol: process.Version, Module: version()}})
	}
}

func newChild(conn *process.Conn, hello process.Hello, exit func(int)) *child {
	return &child{conn: conn, hello: hello, exit: exit, out: &outbox{conn: conn}, members: newMembers()}
}

// runChild is Run in a child: it runs the one agent that the process is for,
// until ctx or the parent ends it, or waits for that if another registry of the
// program does.
func (r *Registry) runChild(ctx context.Context) (err error) {
	c := r.child
	s, err := c.await(ctx, r)
	switch {
	case err != nil:
		c.refuse.Do(func() {
			c.introduce("")
			c.bye(err, true)
		})
		return err
	case s == nil:
		return nil
	}
	final := false
	defer func() {
		c.bye(err, final)
		c.members.leave()
	}()
	c.introduce(s.queue)
	if err := c.limit(); err != nil {
		final = true
		return err
	}
	s.running.announce = c.announce
	s.orphans = &orphans{tokens: c.hello.Orphans, cause: c.hello.Cause, told: c.reported}
	if err := r.start(); err != nil {
		final = true
		return err
	}

	reporting, stopReporting := context.WithCancel(context.Background())
	var helpers sync.WaitGroup
	helpers.Go(func() { c.report(reporting, s) })
	drain := make(chan time.Duration, 1)
	go c.receive(drain, r.options.Observer)
	defer func() {
		stopReporting()
		helpers.Wait()
	}()

	select {
	case <-ctx.Done():
		err = r.stop()
	case left := <-drain:
		s.stopWithin(cmp.Or(left, time.Nanosecond)) // 0 would be what the options say
		err = r.stop()
	case <-s.done:
		final, err = true, s.outcome
	case clash := <-c.members.clash:
		final, err = true, errors.Join(clash, r.stop())
	}
	return err
}

// introduce says hello. A program without the agent introduces itself as
// whatever it is asked for, without a task queue: its next word says what is wrong.
func (c *child) introduce(queue string) {
	hello := process.Hello{Protocol: process.Version, Module: version(), Agent: c.hello.Agent, TaskQueue: queue}
	c.out.put(process.Message{Type: process.TypeHello, Hello: &hello})
}

func (c *child) limit() error {
	if c.hello.Idle {
		if err := process.SetIdle(); err != nil {
			return err
		}
	}
	if c.hello.Nice != 0 {
		if err := process.SetNice(c.hello.Nice); err != nil {
			return err
		}
	}
	if c.hello.Memory > 0 {
		return process.LimitMemory(c.hello.Memory)
	}
	return nil
}

// bye is the last word. That the parent cannot hear it is its own trouble.
func (c *child) bye(err error, final bool) {
	m := process.Message{Type: process.TypeBye, Final: final && err != nil}
	if err != nil {
		m.Error = unnamed(err)
	}
	<-c.out.put(m)
}

// reported tells the parent for which orphans it has no need to find anyone else.
func (c *child) reported(tokens [][]byte) {
	c.out.put(process.Message{Type: process.TypeReported, Tokens: tokens})
}

// report tells the parent of every change of the agent's status.
func (c *child) report(ctx context.Context, s *supervisor) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		<-pause.C
		c.order.Lock()
		status, changed := s.board.read()
		status.Running = s.running.list()
		if raw, err := encodeStatus(status); err == nil { // no status cannot be encoded
			c.out.put(process.Message{Type: process.TypeStatus, Status: raw})
		}
		c.order.Unlock()
		select {
		case <-changed:
		case <-s.running.changed:
		case <-ctx.Done():
			return
		}
		pause.Reset(reportPause)
	}
}

// orphaned is the exit code of a child whose parent is gone.
const orphaned = 3

// receive answers the parent, and ends this process with it: nobody would end
// it later, and a new parent starts new children.
func (c *child) receive(drain chan<- time.Duration, o Observer) {
	for {
		m, err := c.conn.Receive()
		if err != nil {
			fmt.Fprintln(os.Stderr, "the parent of this process is gone:", err)
			c.exit(orphaned)
			return
		}
		switch m.Type {
		case process.TypePing:
			c.out.put(process.Message{Type: process.TypePong, ID: m.ID, Usage: process.CurrentUsage()})
		case process.TypeGather:
			go c.gather(m.ID, o)
		case process.TypeDrain:
			select {
			case drain <- m.Left:
			default:
			}
		}
	}
}

// gather answers also if there are no metrics, and if those that were asked for
// before never come.
func (c *child) gather(id int64, o Observer) {
	m := process.Message{Type: process.TypeMetrics, ID: id}
	if !c.gathering.CompareAndSwap(false, true) {
		m.Error = "gather metrics: the call before has not returned"
		c.out.put(m)
		return
	}
	defer c.gathering.Store(false)
	err := guard("gather metrics", func() (err error) {
		if g, ok := o.(MetricsGatherer); ok {
			m.Metrics, err = g.GatherMetrics()
		}
		return err
	})
	if err != nil {
		m.Metrics, m.Error = nil, err.Error()
	}
	if len(m.Metrics) > maxMetrics {
		m.Metrics, m.Error = nil, fmt.Sprintf("%d bytes of metrics, more than %d", len(m.Metrics), maxMetrics)
	}
	c.out.put(m)
}

// maxMetrics keeps the message, in base64, below process.MaxFrame.
const maxMetrics = process.MaxFrame / 4 * 3 * 9 / 10

// become makes the registry one that runs the agent of its process.
func (r *Registry) become(c *child, err error) {
	r.child, r.childErr = c, err
	if c != nil {
		c.join(r)
		r.options.Logger = slog.New(&childHandler{out: c.out, wanted: r.options.Logger.Handler()})
	}
}
