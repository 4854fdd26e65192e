package lease

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
)

// Holder is who has a token. What is not known is left out: of a token that
// was taken a moment ago, even the PID may be missing.
type Holder struct {
	// PID is the process; 0 if it is not known.
	PID int `json:"pid"`
	// Agent is the Options' Agent.
	Agent string `json:"agent,omitempty"`
	// Activity and WorkflowID are set where the token was acquired inside
	// an activity.
	Activity   string `json:"activity,omitempty"`
	WorkflowID string `json:"workflow_id,omitempty"`
	// Since is when the holder asked for the token.
	Since time.Time `json:"since"`
}

// String returns a few words for messages, such as
// "agent scgpt, activity embed_shard of the workflow w-1, process 4711".
func (h Holder) String() string {
	var words []string
	if h.Agent != "" {
		words = append(words, "agent "+h.Agent)
	}
	if h.Activity != "" {
		words = append(words, fmt.Sprintf("activity %s of the workflow %s", h.Activity, h.WorkflowID))
	}
	if h.PID == 0 {
		words = append(words, "an unknown process")
	} else {
		words = append(words, fmt.Sprintf("process %d", h.PID))
	}
	return strings.Join(words, ", ")
}

// holder returns who asks with ctx.
func (l *Lease) holder(ctx context.Context) Holder {
	h := Holder{PID: os.Getpid(), Agent: l.agent, Since: time.Now()}
	if activity.IsActivity(ctx) {
		info := activity.GetInfo(ctx)
		h.Activity, h.WorkflowID = info.ActivityType.Name, info.WorkflowExecution.ID
	}
	return h
}
