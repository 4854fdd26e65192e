package agent

import (
	"context"
	"reflect"
	"slices"
	"time"
	"unicode/utf8"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/retry"
)

// DefaultStartToClose is the start-to-close timeout of an activity whose
// definition sets neither that nor a schedule-to-close timeout.
const DefaultStartToClose = 10 * time.Minute

// Activity defines an activity that takes an In and returns an Out. It is a
// value without state: make it once with [NewActivity], share it freely.
type Activity[In, Out any] struct {
	domain  Domain
	name    string
	options []ActivityOption
}

// ActivityOption changes the SDK's options of an activity call. It is given to
// a definition, for every call, or to one call, which comes last. Any function
// of this shape will do; the ones here are the common cases.
type ActivityOption func(*workflow.ActivityOptions)

// StartToClose bounds one attempt from the moment a worker takes it.
func StartToClose(d time.Duration) ActivityOption {
	return func(o *workflow.ActivityOptions) { o.StartToCloseTimeout = d }
}

// ScheduleToClose bounds the activity with all its attempts and waiting.
func ScheduleToClose(d time.Duration) ActivityOption {
	return func(o *workflow.ActivityOptions) { o.ScheduleToCloseTimeout = d }
}

// Heartbeat is how long the server waits for a sign of life before it gives
// the attempt up.
func Heartbeat(d time.Duration) ActivityOption {
	return func(o *workflow.ActivityOptions) { o.HeartbeatTimeout = d }
}

// Retry replaces the domain's retry policy.
func Retry(p *temporal.RetryPolicy) ActivityOption {
	return func(o *workflow.ActivityOptions) { o.RetryPolicy = p }
}

// WaitForCancellation makes a cancelled call wait until the activity has ended,
// instead of giving it up at once.
func WaitForCancellation() ActivityOption {
	return func(o *workflow.ActivityOptions) { o.WaitForCancellation = true }
}

// Summary is a line of Markdown that the web UI shows beside the activity. A long
// one is cut.
func Summary(text string) ActivityOption {
	return func(o *workflow.ActivityOptions) { o.Summary = clip(text) }
}

// maxSummaryBytes is what Temporal's server takes by default
// (limit.userMetadataSummarySize) less what the JSON around it may need: a
// longer summary would fail the workflow task, again and again.
const maxSummaryBytes = 300

// clip cuts a text to maxSummaryBytes, between characters.
func clip(text string) string {
	if len(text) <= maxSummaryBytes {
		return text
	}
	n := maxSummaryBytes - len("…")
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

// NewActivity defines an activity of a domain. name is its type name on the
// wire, unique on the task queue.
func NewActivity[In, Out any](d Domain, name string, options ...ActivityOption) Activity[In, Out] {
	return Activity[In, Out]{domain: d, name: name, options: slices.Clone(options)}
}

// Name returns the activity's type name.
func (a Activity[In, Out]) Name() string { return a.name }

// To binds f to the definition. f runs in the agent's worker; it may use
// [Go] for goroutines of its own.
func (a Activity[In, Out]) To(f func(context.Context, In) (Out, error)) Binding {
	b := Binding{
		domain: a.domain, name: a.name, kind: kindActivity,
		in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](),
	}
	if f == nil {
		return b
	}
	b.function = func(ctx context.Context, raw converter.RawValue) (Out, error) {
		var none Out
		in, err := decode[In](a.what("input"), raw, true)
		if err != nil {
			return none, retry.Classify(err)
		}
		out, err := withGroup(ctx, func(ctx context.Context) (Out, error) { return f(ctx, in) })
		if err != nil {
			return none, err
		}
		if err := checkResult(a.what("result"), out); err != nil {
			return none, retry.Classify(err)
		}
		return out, nil
	}
	return b
}

// Execute runs the activity from a workflow and waits for its result.
func (a Activity[In, Out]) Execute(ctx workflow.Context, in In, options ...ActivityOption) (Out, error) {
	return a.ExecuteAsync(ctx, in, options...).Get(ctx)
}

// ExecuteAsync schedules the activity from a workflow and returns at once. An
// input that is refused (see the package comment) is the future's error.
func (a Activity[In, Out]) ExecuteAsync(ctx workflow.Context, in In, options ...ActivityOption) Future[Out] {
	raw, err := encode(a.what("input"), in)
	if err != nil {
		return failedFuture[Out](ctx, err)
	}
	ctx = workflow.WithActivityOptions(ctx, a.callOptions(ctx, options))
	return Future[Out]{workflow.ExecuteActivity(ctx, a.name, raw)}
}

func (a Activity[In, Out]) callOptions(ctx workflow.Context, options []ActivityOption) workflow.ActivityOptions {
	queue := a.domain.TaskQueue
	// Within one agent the activities follow the workflow's queue, so that
	// an agent that runs on another queue than its domain's stays whole.
	if runsIn(ctx, a.domain) {
		queue = ""
	}
	return a.optionsOn(queue, options)
}

// optionsOn returns the options of a call on the queue, empty for the caller's
// own.
func (a Activity[In, Out]) optionsOn(queue string, options []ActivityOption) workflow.ActivityOptions {
	o := workflow.ActivityOptions{TaskQueue: queue, RetryPolicy: a.domain.Retry}
	for _, set := range slices.Concat(a.options, options) {
		set(&o)
	}
	if o.StartToCloseTimeout == 0 && o.ScheduleToCloseTimeout == 0 {
		o.StartToCloseTimeout = DefaultStartToClose
	}
	return o
}

func (a Activity[In, Out]) what(part string) string {
	return part + " of the activity " + a.name
}
