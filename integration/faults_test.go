package integration

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// The fault suite: processes killed, servers restarted, networks cut, requests
// made up. Each test makes sure that its target was at work when it struck, counts
// what it did, and fails if it did nothing. By default it is short; with
// TROUPE_FAULTS=long it takes its time:
//
//	TROUPE_FAULTS=long go test ./integration -run Fault -v -timeout 4h
const longFaults = "TROUPE_FAULTS"

// often returns how often a fault strikes.
func often(short, long int) int {
	if os.Getenv(longFaults) == "long" {
		return long
	}
	return short
}

// faultPatience bounds a test of n faults.
func faultPatience(n int) time.Duration { return 2*time.Minute + time.Duration(n)*time.Minute }

// dice is a source of chance whose seed is in the log: the same one in every short
// run, another one in each long run.
func dice(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(often(1, int(time.Now().UnixNano())))
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
