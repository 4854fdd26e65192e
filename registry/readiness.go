package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/internal/pollers"
)

const (
	// firstCheck is half the delay between the first two checks of an agent
	// that is not ready; it doubles up to the check interval.
	firstCheck = 10 * time.Millisecond
	// quietStart is how long a new worker may take to become ready before
	// the log says why it is not.
	quietStart = time.Second
	// checkTimeout bounds a check. With the longest check interval a lost
	// server is noticed within 8 s.
	checkTimeout = 3 * time.Second
)

// checker finds out whether an agent is ready.
type checker struct {
	*life
	// partitions are where the server listed the worker last.
	partitions map[enumspb.TaskQueueType]string
}

func newChecker(l *life) *checker {
	return &checker{life: l, partitions: map[enumspb.TaskQueueType]string{}}
}

// check returns why the agent is not ready, or nil.
func (c *checker) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	for _, t := range c.types {
		if err := c.checkPolled(ctx, t); err != nil {
			return err
		}
	}
	return c.checkHealth(ctx)
}

// checkPolled asks the server whether it knows the worker as a poller.
func (c *checker) checkPolled(ctx context.Context, t enumspb.TaskQueueType) error {
	q := pollers.Queue{Client: c.client, Namespace: c.connection.namespace, Name: c.queue, Type: t}
	partition, err := q.Find(ctx, c.partitions[t], func(p pollers.Poller) bool { return p.Identity == c.identity })
	if err != nil {
		return fmt.Errorf("describe task queue %q: %w", c.queue, err)
	}
	if partition == "" {
		return &notListedError{c.identity, c.queue, t}
	}
	c.partitions[t] = partition
	return nil
}

// notListedError is also how every life begins: the server lists a worker a
// moment after it polls.
type notListedError struct {
	identity, queue string
	kind            enumspb.TaskQueueType
}

func (e *notListedError) Error() string {
	return fmt.Sprintf("the server does not list %s among the %s pollers of task queue %q", e.identity, e.kind, e.queue)
}

// checkHealth asks the agent, if it can be asked, and then what it has to tell. A
// check that does not return in time counts as failed, and no other is started
// beside it.
func (c *checker) checkHealth(ctx context.Context) error {
	h, hasHealth := c.agent.(agent.HealthChecker)
	d, hasDetails := c.agent.(agent.Describer)
	if !hasHealth && !hasDetails {
		return nil
	}
	select {
	case <-c.checking:
		c.checking = nil // an answer that came too late says nothing about now
	default:
	}
	if c.checking == nil {
		result := make(chan answer, 1)
		c.checking = result
		go func() {
			var a answer
			if hasHealth {
				a.err = guard("health check", func() error { return h.CheckHealth(ctx) })
			}
			if hasDetails && a.err == nil {
				a.err = guard("description", func() error { a.details = d.Describe(ctx); return nil })
			}
			result <- a
		}()
	}
	select {
	case a := <-c.checking:
		c.checking = nil
		if ctx.Err() == nil {
			if a.err == nil {
				c.board.describe(a.details)
			}
			return a.err
		}
	case <-ctx.Done():
	}
	return errors.New("health check: no answer in time")
}

// answer is what an agent says of itself.
type answer struct {
	err     error
	details map[string]string
}
