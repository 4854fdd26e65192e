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

// orphans are activities that ran in a process that ended. The server would find
// out by their timeouts; told by the next process, it gives them to another
// worker as soon as their retry policy allows. That costs an attempt in either
// case. A nil one has none.
type orphans struct {
	tokens [][]byte
	cause  string
	once   sync.Once
}

// orphanType is the class of the error that such an activity ends with. It is
// tried again.
const orphanType = "ProcessError"

// orphanTimeout bounds the report of all of them.
const orphanTimeout = 10 * time.Second

// report tells the server in the background, once.
func (o *orphans) report(ctx context.Context, c client.Client, log *slog.Logger) (reporting *sync.WaitGroup) {
	reporting = &sync.WaitGroup{}
	if o == nil || len(o.tokens) == 0 {
		return reporting
	}
	o.once.Do(func() {
		reporting.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, orphanTimeout)
			defer cancel()
			ended := temporal.NewApplicationError(o.cause, orphanType)
			for _, token := range o.tokens {
				err := c.CompleteActivity(ctx, token, nil, ended)
				var over *serviceerror.NotFound // it ended in its last moment, or timed out
				if err != nil && !errors.As(err, &over) {
					log.Warn("The server was not told that an activity's process ended", "error", err)
				}
			}
		})
	})
	return reporting
}
