package retry

import (
	"time"

	"go.temporal.io/sdk/temporal"
)

// GPU returns the policy for work on a scarce device: first retry after 5 s,
// twice as long each time, at most 2 min apart, 3 attempts. InvalidDataError,
// ModelNotFoundError and FileNotFoundError are not retried.
func GPU() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:        5 * time.Second,
		BackoffCoefficient:     2.0,
		MaximumInterval:        2 * time.Minute,
		MaximumAttempts:        3,
		NonRetryableErrorTypes: finalInput(),
	}
}

// CPU returns the policy for computation that is cheap to repeat: first retry
// after 1 s, twice as long each time, at most 30 s apart, 3 attempts. The same
// three classes as in [GPU] are not retried.
func CPU() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:        time.Second,
		BackoffCoefficient:     2.0,
		MaximumInterval:        30 * time.Second,
		MaximumAttempts:        3,
		NonRetryableErrorTypes: finalInput(),
	}
}

// API returns the policy for calls to a remote service: first retry after 1 s,
// twice as long each time, at most 1 min apart, 6 attempts. An error made with
// [After] overrides the interval, so that a Retry-After answer is honoured.
// The classes of [GPU] and AuthenticationError are not retried.
func API() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:        time.Second,
		BackoffCoefficient:     2.0,
		MaximumInterval:        time.Minute,
		MaximumAttempts:        6,
		NonRetryableErrorTypes: append(finalInput(), string(Authentication)),
	}
}

func finalInput() []string {
	return []string{string(InvalidData), string(ModelNotFound), string(FileNotFound)}
}
