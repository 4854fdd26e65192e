package retry

import (
	"context"

	"go.temporal.io/sdk/interceptor"
)

// Interceptor returns a worker interceptor that passes every activity's error
// through [Classify]. An error that wraps [context.Canceled] is taken for a
// cancellation only if the activity's own context has ended, as the SDK does. The
// registry adds it to each worker; a service that builds a worker by hand adds it
// to worker.Options.Interceptors.
func Interceptor() interceptor.WorkerInterceptor { return &workerInterceptor{} }

type workerInterceptor struct {
	interceptor.WorkerInterceptorBase
}

func (*workerInterceptor) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	i := &activityInterceptor{}
	i.Next = next
	return i
}

type activityInterceptor struct {
	interceptor.ActivityInboundInterceptorBase
}

func (i *activityInterceptor) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	out, err := i.Next.ExecuteActivity(ctx, in)
	return out, classify(err, ctx.Err() != nil)
}
