package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The GPU policy is a published contract: users of the Python system rely on
// these numbers.
func TestGPUPolicy(t *testing.T) {
	require.Equal(t, &temporal.RetryPolicy{
		InitialInterval:        5 * time.Second,
		BackoffCoefficient:     2.0,
		MaximumInterval:        2 * time.Minute,
		MaximumAttempts:        3,
		NonRetryableErrorTypes: []string{"InvalidDataError", "ModelNotFoundError", "FileNotFoundError"},
	}, retry.GPU())
}

func TestPoliciesAreFresh(t *testing.T) {
	for name, policy := range map[string]func() *temporal.RetryPolicy{"GPU": retry.GPU, "CPU": retry.CPU, "API": retry.API} {
		t.Run(name, func(t *testing.T) {
			p := policy()
			p.NonRetryableErrorTypes[0] = "changed"
			p.MaximumAttempts = 99
			require.NotEqual(t, p, policy())
			require.Contains(t, policy().NonRetryableErrorTypes, "InvalidDataError")
		})
	}
}

// invalid names its class structurally, as the numeric rooms do.
type invalid struct{}

func (invalid) Error() string     { return "x.h5ad: no X" }
func (invalid) ErrorType() string { return "InvalidDataError" }

func TestClassOf(t *testing.T) {
	_, notExist := os.Open("no/such/file")
	final := temporal.NewNonRetryableApplicationError("gone", "ModelNotFoundError", nil)
	cases := []struct {
		name  string
		err   error
		class retry.Class
		ok    bool
	}{
		{"nil", nil, "", false},
		{"plain", errors.New("x"), "", false},
		{"own", retry.InvalidData.Errorf("x"), retry.InvalidData, true},
		{"wrapped own", fmt.Errorf("a: %w", retry.OutOfMemory.Errorf("x")), retry.OutOfMemory, true},
		{"structural", fmt.Errorf("a: %w", invalid{}), retry.InvalidData, true},
		{"missing file", fmt.Errorf("a: %w", notExist), retry.FileNotFound, true},
		{"no memory", &os.SyscallError{Syscall: "mmap", Err: syscall.ENOMEM}, retry.OutOfMemory, true},
		{"marked", retry.Final(retry.RateLimited.Errorf("x")), retry.RateLimited, true},
		{"marked without a class", retry.Final(errors.New("x")), "", false},
		{"delayed", retry.After(time.Second, retry.RateLimited.Errorf("x")), retry.RateLimited, true},
		{"application", fmt.Errorf("a: %w", final), retry.ModelNotFound, true},
		{"innermost application", temporal.NewApplicationErrorWithCause("outer", "Outer", final), retry.ModelNotFound, true},
		{"application of a plain error", temporal.NewApplicationError("x", "errorString"), "errorString", false},
		{"own around an application", retry.InvalidData.Errorf("child: %w", final), retry.InvalidData, true},
		{"own beside an application", errors.Join(final, retry.InvalidData.Errorf("x")), retry.InvalidData, true},
		{"own inside an application", temporal.NewApplicationErrorWithCause("x", "Outer", retry.InvalidData.Errorf("x")), "Outer", true},
		{"own inside a timeout", temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_HEARTBEAT, retry.OutOfMemory.Errorf("x")), retry.OutOfMemory, true},
		{"own around a deadline", retry.RateLimited.Errorf("a: %w", context.DeadlineExceeded), retry.RateLimited, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			class, ok := retry.ClassOf(c.err)
			require.Equal(t, c.class, class)
			require.Equal(t, c.ok, ok)
		})
	}
}

func TestWrapKeepsAClass(t *testing.T) {
	require.NoError(t, retry.InvalidData.Wrap(nil))
	require.NoError(t, retry.Final(nil))
	class, _ := retry.ClassOf(retry.InvalidData.Wrap(fs.ErrNotExist))
	require.Equal(t, retry.FileNotFound, class)
	err := retry.InvalidData.Wrap(errors.New("bad"))
	class, _ = retry.ClassOf(err)
	require.Equal(t, retry.InvalidData, class)
	require.EqualError(t, err, "bad")
}

// What the standard library's errors become on their way through a server is told in
// full, and has no class.
func TestMessageOfPlainErrors(t *testing.T) {
	t.Parallel()
	failures := temporal.GetDefaultFailureConverter()
	path := &fs.PathError{Op: "write", Path: "/out/x.h5ad", Err: syscall.ENOSPC}
	for _, err := range []error{path, fmt.Errorf("write the copy: %w", path), fmt.Errorf("a: %w", errors.New("b")), syscall.ENOSPC} {
		got := failures.FailureToError(failures.ErrorToFailure(err))
		require.Equal(t, err.Error(), retry.Message(got))
		_, ok := retry.ClassOf(got)
		require.False(t, ok)
	}
	classed := fmt.Errorf("on the way: %w", temporal.NewApplicationError("no model x", "ModelNotFoundError"))
	got := failures.FailureToError(failures.ErrorToFailure(classed))
	require.Equal(t, "no model x", retry.Message(got))
}

func TestMessage(t *testing.T) {
	inner := temporal.NewNonRetryableApplicationError("no model x", "ModelNotFoundError", nil)
	require.Equal(t, "no model x", retry.Message(fmt.Errorf("activity failed: %w", inner)))
	require.Equal(t, "no model x", retry.Message(temporal.NewApplicationErrorWithCause("outer", "Outer", inner)))
	require.Equal(t, "plain", retry.Message(errors.New("plain")))
}

func TestClassify(t *testing.T) {
	says := temporal.NewApplicationErrorWithOptions("x", "Own", temporal.ApplicationErrorOptions{
		NextRetryDelay: time.Hour, Category: temporal.ApplicationErrorCategoryBenign,
	})
	cases := []struct {
		name  string
		err   error
		typ   string
		final bool
		delay time.Duration
	}{
		{"missing file", &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, "FileNotFoundError", true, 0},
		{"structural", fmt.Errorf("a: %w", invalid{}), "InvalidDataError", true, 0},
		{"own final", retry.Authentication.Errorf("x"), "AuthenticationError", true, 0},
		{"own retryable", retry.OutOfMemory.Errorf("x"), "OutOfMemoryError", false, 0},
		{"no memory", syscall.ENOMEM, "OutOfMemoryError", false, 0},
		{"marked", fmt.Errorf("a: %w", retry.Final(errors.New("x"))), "", true, 0},
		{"marked and classed", retry.Final(retry.Class("QuotaError").Errorf("x")), "QuotaError", true, 0},
		{"marked though Temporal's own", retry.Final(temporal.NewApplicationError("x", "Own")), "Own", true, 0},
		{"marked and delayed", retry.After(time.Minute, retry.Final(errors.New("x"))), "", true, time.Minute},
		{"delayed and classed", retry.After(time.Minute, retry.RateLimited.Errorf("x")), "RateLimitedError", false, time.Minute},
		{"delayed alone", retry.After(time.Minute, errors.New("x")), "", false, time.Minute},

		{"marked, of a deadline", retry.Final(fmt.Errorf("get: %w", context.DeadlineExceeded)), "", true, 0},
		{"classed, of a deadline", retry.InvalidData.Errorf("get: %w", context.DeadlineExceeded), "InvalidDataError", true, 0},
		{"delayed, of a deadline", retry.After(time.Minute, context.DeadlineExceeded), "", false, time.Minute},
		{"structural, of a deadline", fmt.Errorf("%w: %w", context.DeadlineExceeded, invalid{}), "InvalidDataError", true, 0},

		{"delayed though Temporal's own", retry.After(time.Minute, temporal.NewApplicationError("x", "Own")), "Own", false, time.Minute},
		{"delayed and not retryable", retry.After(time.Minute, temporal.NewNonRetryableApplicationError("x", "Own", nil)), "Own", true, time.Minute},
		{"delayed though it says when", retry.After(time.Minute, says), "Own", false, time.Minute},
		{"marked though it says when", retry.Final(says), "Own", true, time.Hour},
		{"classed though Temporal's own", retry.InvalidData.Errorf("child: %w", temporal.NewApplicationError("x", "Own")), "InvalidDataError", true, 0},
		{"classed and not retryable", retry.OutOfMemory.Errorf("child: %w", temporal.NewNonRetryableApplicationError("x", "Own", nil)), "OutOfMemoryError", true, 0},
		{"classed though it says when", retry.RateLimited.Errorf("child: %w", says), "RateLimitedError", false, time.Hour},
		{"marked though a timeout", retry.Final(temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_HEARTBEAT, nil)), "", true, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var app *temporal.ApplicationError
			require.ErrorAs(t, retry.Classify(c.err), &app)
			require.Equal(t, c.typ, app.Type())
			require.Equal(t, c.final, app.NonRetryable())
			require.Equal(t, c.delay, app.NextRetryDelay())
			require.Equal(t, c.err.Error(), app.Message())
			require.Equal(t, errors.Is(c.err, says), app.Category() == temporal.ApplicationErrorCategoryBenign)
		})
	}
	for _, err := range []error{
		nil, errors.New("plain"), context.Canceled, fmt.Errorf("a: %w", context.DeadlineExceeded),
		temporal.NewApplicationError("x", "Own"), temporal.NewCanceledError(), retry.Final(context.Canceled),
		fmt.Errorf("a: %w", temporal.NewApplicationError("x", "Own")), retry.After(time.Minute, temporal.NewCanceledError()),
		temporal.NewApplicationErrorWithCause("x", "Own", retry.InvalidData.Errorf("x")), activity.ErrResultPending,
	} {
		t.Run(fmt.Sprintf("unchanged %v", err), func(t *testing.T) {
			require.Equal(t, err, retry.Classify(err))
		})
	}
}

func TestClassifyBoundsMessages(t *testing.T) {
	exact := strings.Repeat("ä", retry.MaxMessageBytes/2)
	require.Equal(t, exact, retry.Message(retry.Classify(retry.InvalidData.Errorf("%s", exact))))
	for n := range 4 { // wherever the cuts fall in a character
		long := strings.Repeat("x", n) + strings.Repeat("ä", 100_000) + "the end"
		got := retry.Message(retry.Classify(retry.InvalidData.Errorf("%s", long)))
		require.LessOrEqual(t, len(got), retry.MaxMessageBytes)
		require.True(t, utf8.ValidString(got))
		require.Contains(t, got, "bytes left out")
		require.True(t, strings.HasSuffix(got, "äthe end"))
		require.Equal(t, got, retry.Classify(errors.New(long)).Error(), "without a class too")
	}
}

func TestInterceptor(t *testing.T) {
	_, missing := os.Open("no/such/file")
	for name, c := range map[string]struct {
		err   error
		typ   string
		final bool
	}{
		"missing file": {missing, "FileNotFoundError", true},
		// The activity was not cancelled: something in it was.
		"marked, of another's cancellation":  {retry.Final(fmt.Errorf("get: %w", context.Canceled)), "", true},
		"classed, of another's cancellation": {retry.InvalidData.Errorf("get: %w", context.Canceled), "InvalidDataError", true},
		"marked, of a cancelled workflow":    {retry.Final(temporal.NewCanceledError()), "", true},
		"another's cancellation and no more": {fmt.Errorf("get: %w", context.Canceled), "wrapError", false},
		"marked, of another's deadline":      {retry.Final(context.DeadlineExceeded), "", true},
	} {
		t.Run(name, func(t *testing.T) {
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{retry.Interceptor()}})
			act := func(context.Context) error { return c.err }
			env.RegisterActivity(act)
			_, err := env.ExecuteActivity(act)
			var app *temporal.ApplicationError
			require.ErrorAs(t, err, &app)
			require.Equal(t, c.typ, app.Type())
			require.Equal(t, c.final, app.NonRetryable())
		})
	}
}

// Who gives up as its activity ends, by a cancellation or because its worker stops, says
// nothing about the work.
func TestInterceptorOfACancellation(t *testing.T) {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	background, stop := context.WithCancelCause(t.Context())
	env.SetWorkerOptions(worker.Options{
		Interceptors: []interceptor.WorkerInterceptor{retry.Interceptor()}, BackgroundActivityContext: background,
	})
	act := func(ctx context.Context) error {
		stop(worker.ErrWorkerShutdown)
		<-ctx.Done()
		return retry.InvalidData.Errorf("read: %w", ctx.Err())
	}
	env.RegisterActivity(act)
	_, err := env.ExecuteActivity(act)
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.False(t, app.NonRetryable())
}
