// Package retry holds the retry policies of agents and the error classes that
// decide whether an attempt is worth repeating.
//
// # Classes
//
// An error crosses process and language borders as a Temporal application
// error; what survives the trip is its type name. A [Class] is such a name.
// Workflows in any language, policies and exit codes match on it:
//
//	InvalidDataError     the input is wrong; the same input fails again    final
//	FileNotFoundError    an input file is not there                        final
//	ModelNotFoundError   no model of that name                             final
//	AuthenticationError  the credentials were refused                      final
//	OutOfMemoryError     too large for the memory at hand; try smaller     retried
//	RateLimitedError     asked too often; carries when to ask again        retried
//
// Activities return ordinary Go errors. [Interceptor] turns them into
// application errors once, at the border, by [Classify]: a missing file becomes
// FileNotFoundError, an error that names its own class keeps it, and
// everything else stays retryable.
//
//	return retry.InvalidData.Errorf("%s: X/indices[%d] = %d, but there are %d genes", path, i, v, n)
//
// [HTTPError] classes the answer of a web service, Retry-After included. [Final]
// marks what no class fits, [After] says when to try again.
//
// # Policies
//
// [GPU], [CPU] and [API] are the policies of the three kinds of work. Each call
// returns a fresh value that the caller may change.
package retry
