package reminder

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/seed-ab6af24b/troupe/agent"
)

// Domain is the agent's. A reminder is tried until it succeeds: a full disk or a
// missing folder may be seen to, and then it still comes.
var Domain = agent.Domain{Name: "reminder", TaskQueue: "reminder-tasks", Retry: &temporal.RetryPolicy{
	InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute,
}}

var (
	// Remind is the workflow. An id is used once, so that a caller who does not
	// know whether a start went through may repeat it.
	Remind = agent.NewWorkflow[Request, Receipt](Domain, "RemindWorkflow", rejectDuplicates)

	// Append is the activity.
	Append = agent.NewActivity[Line, Appended](Domain, "append_line", agent.StartToClose(10*time.Second))
)

func rejectDuplicates(o *client.StartWorkflowOptions) {
	o.WorkflowIDReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
	o.WorkflowExecutionErrorWhenAlreadyStarted = true
}

// What a request may hold.
const (
	MaxTextBytes = 1000
	MaxAhead     = 10 * 365 * 24 * time.Hour
	MaxSpread    = 24 * time.Hour
)

const maxSpreadSeconds = int(MaxSpread / time.Second)

// Request asks for a reminder.
type Request struct {
	// Text is one line.
	Text string `json:"text"`
	// At is when the reminder is due, at most [MaxAhead] from now. What is due
	// already comes at once.
	At time.Time `json:"at"`
	// SpreadSeconds delays the reminder by a random time of at most this, at
	// most [MaxSpread]: a thousand reminders of nine o'clock need not come at
	// once.
	SpreadSeconds int `json:"spread_seconds,omitempty"`
}

// Validate reports the first thing that is wrong with the request. It runs in
// the workflow too and so may not look at the clock: how far ahead At lies is
// for the workflow to check.
func (r Request) Validate() error {
	switch {
	case r.Text == "":
		return errors.New("text is empty")
	case len(r.Text) > MaxTextBytes:
		return fmt.Errorf("text has %d bytes, more than %d", len(r.Text), MaxTextBytes)
	case strings.ContainsFunc(r.Text, unicode.IsControl):
		return fmt.Errorf("text = %q holds line breaks or other control characters", r.Text)
	case r.At.IsZero():
		return errors.New("at is missing: want a time such as 2030-01-02T15:04:05Z")
	case r.SpreadSeconds < 0 || r.SpreadSeconds > maxSpreadSeconds:
		return fmt.Errorf("spread_seconds = %d, want 0 to %d", r.SpreadSeconds, maxSpreadSeconds)
	}
	return nil
}

// Line is what the workflow has appended.
type Line struct {
	Text string `json:"text"`
	// Number is the receipt's.
	Number string `json:"number"`
}

// Appended is what the activity returns.
type Appended struct {
	// At is when the line was written.
	At time.Time `json:"at"`
}

// Receipt is what the workflow returns.
type Receipt struct {
	// Number is unique to the reminder and stands in its line.
	Number string `json:"number"`
	// Due is when the reminder was to come, the spread included.
	Due time.Time `json:"due"`
	// At is when it came.
	At time.Time `json:"at"`
}
