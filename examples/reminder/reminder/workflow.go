package reminder

import (
	crand "crypto/rand"
	"math/rand/v2"
	"strings"
	"time"
	"unicode"

	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/retry"
)

// remind is RemindWorkflow. The package comment says why it does not use time,
// math/rand and crypto/rand themselves.
func remind(ctx workflow.Context, req Request) (Receipt, error) {
	id := workflow.GetInfo(ctx).WorkflowExecution.ID
	if strings.ContainsFunc(id, unicode.IsControl) {
		return Receipt{}, retry.InvalidData.Errorf("workflow id %q holds control characters, which its line in the file could not", id)
	}
	// Not time.Now: after a restart, that would be another time.
	if ahead := req.At.Sub(workflow.Now(ctx)); ahead > MaxAhead {
		return Receipt{}, retry.InvalidData.Errorf("at = %s is more than %v ahead", req.At.Format(time.RFC3339), MaxAhead)
	}

	// Not rand.Int64N: the stream is seeded by the server, once per workflow.
	random := rand.New(workflow.GetRandomStream(ctx, "spread"))
	spread := time.Duration(req.SpreadSeconds) * time.Second
	receipt := Receipt{Due: req.At.Add(time.Duration(random.Int64N(int64(spread) + 1)))}

	// Not crand.Text, or uuid.New, outside of SideEffect: it runs once, and
	// its result is in the history.
	number := workflow.SideEffect(ctx, func(workflow.Context) any { return crand.Text() })
	if err := number.Get(&receipt.Number); err != nil {
		return Receipt{}, err
	}

	if err := sleepUntil(ctx, receipt.Due); err != nil {
		return Receipt{}, err
	}

	// Not os.OpenFile: files are for activities.
	appended, err := Append.Execute(ctx, Line{Text: req.Text, Number: receipt.Number})
	receipt.At = appended.At
	return receipt, err
}

// sleepUntil returns an error if the workflow is cancelled before.
func sleepUntil(ctx workflow.Context, due time.Time) error {
	// A loop, since servers of a cluster may differ by a moment on what time it is.
	for {
		left := due.Sub(workflow.Now(ctx))
		if left <= 0 {
			return nil
		}
		// Not time.Sleep: the server keeps the timer. It goes on while no worker
		// is there.
		timer := workflow.NewTimerWithOptions(ctx, left, workflow.TimerOptions{Summary: "until " + due.UTC().Format(time.RFC3339)})
		if err := timer.Get(ctx, nil); err != nil {
			return err
		}
	}
}
