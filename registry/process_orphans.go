package registry

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// orphans are activities that ran in processes that ended. The server would find
// out by their timeouts; told by the next process, it gives them to another
// worker as soon as their retry policy allows. That costs an attempt in either
// case. A nil one has none.
type orphans struct {
	tokens [][]byte
	cause  string
	// told is called with those that the server knows of.
	told func(tokens [][]byte)
	said string // the last error that was logged
}

// orphanType is the class of the error that such an activity ends with. It is
// tried again.
const orphanType = "ProcessError"

const (
	// orphanTimeout bounds one report of all of them.
	orphanTimeout = 10 * time.Second
	// orphanPause is the time between two reports, where the server did not answer.
	orphanPause = 5 * time.Second
)

// reporting is a report in the background.
type reporting struct {
	ended chan struct{}
	all   sync.WaitGroup
}

// Wait returns when the report under way has ended, and has no other begin.
func (r *reporting) Wait() {
	close(r.ended)
	r.all.Wait()
}

// report tells the server in the background, until it knows all of them, ctx ends,
// or Wait is called. What it was not told then is for the next report.
func (o *orphans) report(ctx context.Context, c client.Client, log *slog.Logger) *reporting {
	r := &reporting{ended: make(chan struct{})}
	if o == nil || len(o.tokens) == 0 {
		return r
	}
	r.all.Go(func() {
		for {
			if err := o.reportOnce(ctx, c); err != nil && err.Error() != o.said {
				o.said = err.Error()
				log.Warn("The server was not told that an activity's process ended", "error", err)
			}
			if len(o.tokens) == 0 {
				return
			}
			timer := time.NewTimer(orphanPause)
			select {
			case <-timer.C:
				continue
			case <-r.ended:
			case <-ctx.Done():
			}
			timer.Stop()
			return
		}
	})
	return r
}

// reportOnce keeps those that the server may yet be told of, and returns the last
// error.
func (o *orphans) reportOnce(ctx context.Context, c client.Client) (failed error) {
	ctx, cancel := context.WithTimeout(ctx, orphanTimeout)
	defer cancel()
	ended := temporal.NewApplicationError(o.cause, orphanType)
	var told, kept [][]byte
	for _, token := range o.tokens {
		err := c.CompleteActivity(ctx, token, nil, ended)
		var (
			over    *serviceerror.NotFound // it ended in its last moment, or timed out
			refused *serviceerror.InvalidArgument
		)
		switch {
		case err == nil, errors.As(err, &over):
			told = append(told, token)
		case errors.As(err, &refused):
			told, failed = append(told, token), err
		default:
			kept, failed = append(kept, token), err
		}
	}
	o.tokens = kept
	if len(told) > 0 && o.told != nil {
		o.told(told)
	}
	return failed
}
