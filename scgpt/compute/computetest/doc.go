// Package computetest holds what every compute device must do: [Run], the
// conformance suite, and the driver "reference", a slow device with readable
// loops in float64 that is the suite's judge.
//
// It is for tests; production code does not import it.
package computetest
