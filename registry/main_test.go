package registry

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// roleVariable makes the test binary a program of its own, which play runs.
const roleVariable = "TROUPE_TEST_ROLE"

var play func(role string) int

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	goleak.VerifyTestMain(m)
}
