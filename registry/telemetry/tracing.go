package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
)

// tracing returns the SDK's tracing interceptor; its spans have attrs.
func tracing(tracer trace.Tracer, attrs ...attribute.KeyValue) interceptor.Interceptor {
	i, err := opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{
		Tracer: tracer,
		SpanStarter: func(ctx context.Context, t trace.Tracer, name string, opts ...trace.SpanStartOption) trace.Span {
			_, span := t.Start(ctx, name, append(opts, trace.WithAttributes(attrs...))...)
			return span
		},
		// A header that another library wrote must not fail a workflow.
		AllowInvalidParentSpans: true,
	})
	if err != nil {
		return &interceptor.InterceptorBase{} // the options above have no invalid value
	}
	return i
}

// callsOnly hides from the SDK that an interceptor could intercept a worker
// too.
type callsOnly struct{ interceptor.ClientInterceptor }
