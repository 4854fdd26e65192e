package telemetry

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/seed-ab6af24b/troupe/registry"
)

var states = []registry.State{
	registry.StateNew, registry.StateStarting, registry.StateReady,
	registry.StateDraining, registry.StateStopped, registry.StateFailed,
}

// observeAgents reports what status returns whenever metrics are collected. An
// agent that is not in it any more has no metrics.
func observeAgents(meter metric.Meter, status func() []registry.Status) error {
	ready, err1 := meter.Int64ObservableGauge("troupe_agent_ready",
		metric.WithDescription("Whether the agent is ready."))
	state, err2 := meter.Int64ObservableGauge("troupe_agent_state",
		metric.WithDescription("Whether the agent is in the state."))
	restarts, err3 := meter.Int64ObservableCounter("troupe_agent_restarts",
		metric.WithDescription("How often the agent was started again after an error."))
	running, err4 := meter.Int64ObservableGauge("troupe_activity_running",
		metric.WithDescription("Executions of the activity in this process now."))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, s := range status() {
			name := attribute.String("agent", s.Agent)
			o.ObserveInt64(ready, number(s.Ready), metric.WithAttributes(name))
			o.ObserveInt64(restarts, int64(s.Restarts), metric.WithAttributes(name))
			for _, possible := range states {
				o.ObserveInt64(state, number(s.State == possible),
					metric.WithAttributes(name, attribute.String("state", string(possible))))
			}
			for activity, n := range runningOf(s) {
				o.ObserveInt64(running, n, metric.WithAttributes(name, attribute.String("activity", activity)))
			}
		}
		return nil
	}, ready, state, restarts, running)
	return err
}

// runningOf counts what runs by activity, those included of which none does.
func runningOf(s registry.Status) map[string]int64 {
	n := make(map[string]int64, len(s.Activities))
	for _, name := range s.Activities {
		n[name] = 0
	}
	for _, a := range s.Running {
		n[a.Type]++
	}
	return n
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
