// Package alloctest bounds the memory that a test's code takes.
package alloctest

import (
	"runtime/metrics"
	"testing"
)

// Most is what reading a file of some kilobytes may allocate, whatever sizes the
// file declares: inflating takes a thousand times its input at most, and the
// readers' own buffers a few megabytes.
const Most = 256 << 20

// Limit begins to count the bytes that the process allocates, garbage or not, so
// that the sum bounds what is held at once. What it returns fails the test if
// they are more than most:
//
//	defer alloctest.Limit(t, alloctest.Most)()
func Limit(t testing.TB, most uint64) func() {
	t.Helper()
	before := allocated()
	return func() {
		t.Helper()
		if n := allocated() - before; n > most {
			t.Errorf("%d MB were allocated, more than %d MB", n>>20, most>>20)
		}
	}
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
