package telemetry

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
)

// durationBuckets are in seconds; activities take from a millisecond to hours.
var durationBuckets = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}

// activities counts and times executions.
type activities struct {
	executions metric.Int64Counter
	duration   metric.Float64Histogram
	classes    classes
}

func newActivities(meter metric.Meter) (*activities, error) {
	executions, err1 := meter.Int64Counter("troupe_activity_executions",
		metric.WithDescription("Executions of the activity that ended, by outcome and class of failure."))
	duration, err2 := meter.Float64Histogram("troupe_activity_duration", metric.WithUnit("s"),
		metric.WithDescription("How long executions of the activity took."),
		metric.WithExplicitBucketBoundaries(durationBuckets...))
	return &activities{executions: executions, duration: duration}, errors.Join(err1, err2)
}

// record notes an execution that ended; ctx is the activity's.
func (a *activities) record(ctx context.Context, agent string, r result, took time.Duration) {
	class := a.classes.bounded(r.class)
	if class != "" {
		trace.SpanFromContext(ctx).SetAttributes(attribute.String("error.type", class))
	}
	labels := []attribute.KeyValue{
		attribute.String("agent", agent),
		attribute.String("activity", activity.GetInfo(ctx).ActivityType.Name),
		attribute.String("outcome", string(r.outcome)),
	}
	// A context that has ended must not keep the measurement out.
	ctx = context.WithoutCancel(ctx)
	a.duration.Record(ctx, took.Seconds(), metric.WithAttributes(labels...))
	a.executions.Add(ctx, 1, metric.WithAttributes(append(labels, attribute.String("class", class))...))
}

// activityObserver watches the activities of one agent.
type activityObserver struct {
	interceptor.WorkerInterceptorBase
	agent      string
	activities *activities
}

func (o *activityObserver) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	i := &activityInterceptor{observer: o}
	i.Next = next
	return i
}

type activityInterceptor struct {
	interceptor.ActivityInboundInterceptorBase
	observer *activityObserver
}

func (i *activityInterceptor) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	start := time.Now()
	r := result{failed, classPanic} // what stands if the next line does not return
	defer func() { i.observer.activities.record(ctx, i.observer.agent, r, time.Since(start)) }()
	out, err := i.Next.ExecuteActivity(ctx, in)
	r = resultOf(ctx, err)
	return out, err
}
