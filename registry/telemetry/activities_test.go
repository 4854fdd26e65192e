package telemetry

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
)

func TestActivities(t *testing.T) {
	t.Parallel()
	tel, err := New(Options{})
	require.NoError(t, err)
	env := quietSuite().NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: tel.ObserveWorker("a")})
	agent.RegisterActivities(env, newTestAgent())
	for _, how := range []string{"well", "well", "invalid", "missing class", "late", "elsewhere", "panic"} {
		_, _ = env.ExecuteActivity("work", how) // the outcome is what is looked at below
	}
	// A panic beside agent.To, which catches them.
	env.RegisterActivityWithOptions(func() error { panic("oh") }, activity.RegisterOptions{Name: "bare"})
	_, err = env.ExecuteActivity("bare")
	require.Error(t, err)

	got := scrape(t, tel.Handler())
	require.Equal(t, map[string]float64{
		"agent=a activity=work outcome=ok class=":                     2,
		"agent=a activity=work outcome=failed class=InvalidDataError": 1,
		"agent=a activity=work outcome=failed class=other":            1,
		"agent=a activity=work outcome=failed class=timeout":          1,
		"agent=a activity=work outcome=failed class=panic":            1,
		"agent=a activity=work outcome=pending class=":                1,
		"agent=a activity=bare outcome=failed class=panic":            1,
	}, values(got["troupe_activity_executions_total"], "agent", "activity", "outcome", "class"))

	durations := got["troupe_activity_duration_seconds"]
	require.Equal(t, map[string]float64{
		"agent=a activity=work outcome=ok": 2, "agent=a activity=work outcome=failed": 4,
		"agent=a activity=work outcome=pending": 1, "agent=a activity=bare outcome=failed": 1,
	}, values(durations, "agent", "activity", "outcome"))
	require.Len(t, durations.GetMetric()[0].GetHistogram().GetBucket(), len(durationBuckets)+1)
	require.Contains(t, got, "go_goroutines")
}

func TestResult(t *testing.T) {
	t.Parallel()
	background := t.Context()
	ended, cancel := context.WithCancel(background)
	cancel()
	late, cancelLate := context.WithDeadline(background, time.Now().Add(-time.Second))
	defer cancelLate()
	cases := map[string]struct {
		ctx  context.Context //nolint:containedctx // the input of a case
		err  error
		want result
	}{
		"ok":                      {background, nil, result{ok, ""}},
		"ok after the cancel":     {ended, nil, result{ok, ""}},
		"cancelled":               {ended, fmt.Errorf("rows: %w", context.Canceled), result{canceled, ""}},
		"cancelled, Temporal's":   {ended, temporal.NewCanceledError(), result{canceled, ""}},
		"nobody cancelled it":     {background, context.Canceled, result{failed, classOther}},
		"failed after the cancel": {ended, errors.New("disk full"), result{failed, classOther}},
		"late":                    {late, context.DeadlineExceeded, result{failed, classTimeout}},
		"class":                   {background, fmt.Errorf("x: %w", retry.RateLimited.Errorf("slow")), result{failed, "RateLimitedError"}},
		"class and deadline":      {background, retry.OutOfMemory.Wrap(context.DeadlineExceeded), result{failed, "OutOfMemoryError"}},
		"application error":       {background, temporal.NewApplicationError("m", "Own"), result{failed, "Own"}},
		"pending":                 {background, activity.ErrResultPending, result{pending, ""}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, resultOf(c.ctx, c.err))
		})
	}
}

func TestClassesAreBounded(t *testing.T) {
	t.Parallel()
	var c classes
	require.Empty(t, c.bounded(""))
	require.Equal(t, classOther, c.bounded(string(make([]byte, maxClassLength+1))))
	for n := range maxClasses {
		class := fmt.Sprint("Class", n)
		require.Equal(t, class, c.bounded(class))
	}
	require.Equal(t, classOther, c.bounded("OneTooMany"))
	require.Equal(t, "Class7", c.bounded("Class7"), "one that was there stays")
	require.Len(t, c.seen, maxClasses)
}
