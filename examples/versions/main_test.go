package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/agent/devserver/devservertest"
)

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	return devservertest.Run(m, func(address string) error { return os.Setenv("TEMPORAL_ADDRESS", address) })
}

// versions runs the program and returns what it prints.
func versions(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	code, stdout, stderr := try(ctx, args...)
	require.Zero(t, code, stderr)
	return stdout
}

func try(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, args, &out, &errs)
	return code, out.String(), errs.String()
}

// startWorker runs a worker until the test or the returned function ends it.
func startWorker(t *testing.T, build string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"worker", build}, t.Output(), t.Output()) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.Zero(t, <-ended)
		}
	}
	t.Cleanup(stop)
	return stop
}

// startBoth starts a delivery and a subscription.
func startBoth(t *testing.T) (delivery, subscription string) {
	t.Helper()
	fields := strings.Fields(versions(t, "start"))
	require.Len(t, fields, 4)
	return fields[1], fields[3]
}

// waitFor waits until a workflow has done exactly these steps.
func waitFor(t *testing.T, id string, steps ...string) {
	t.Helper()
	want := id + "\n"
	for _, s := range steps {
		want += "  " + s + "\n"
	}
	require.Eventually(t, func() bool {
		_, got, _ := try(t.Context(), "story", id) // a query may fail while its worker is busy or going
		return got == want
	}, 30*time.Second, 20*time.Millisecond, "want\n%s", want)
}

// The README's steps: v2 comes while workflows of v1 are under way. The delivery
// ends with the version that began it, the subscription moves, new ones begin
// with v2.
func TestDeployBesideRunningWorkflows(t *testing.T) {
	stopV1 := startWorker(t, "v1")
	versions(t, "current", "v1")
	delivery, subscription := startBoth(t)
	waitFor(t, delivery, "v1: collected the letter to Ada")
	waitFor(t, subscription, "v1: sent issue 1 of the letter to Grace")

	startWorker(t, "v2")
	versions(t, "current", "v2")
	require.Regexp(t, `(?m)^v2  current$`, versions(t, "builds"))
	require.Regexp(t, `(?m)^v1  draining`, versions(t, "builds"))
	newDelivery, newSubscription := startBoth(t)
	waitFor(t, newDelivery, "v2: collected the letter to Ada", "v2: sorted the letter to Ada")

	versions(t, "goon", delivery, subscription, newDelivery)
	waitFor(t, delivery, "v1: collected the letter to Ada", "v1: delivered the letter to Ada")
	waitFor(t, newDelivery, "v2: collected the letter to Ada", "v2: sorted the letter to Ada", "v2: delivered the letter to Ada")
	moved := []string{"v1: sent issue 1 of the letter to Grace",
		"v2: wrapped issue 2 of the letter to Grace", "v2: sent issue 2 of the letter to Grace"}
	waitFor(t, subscription, moved...)

	// Nothing needs v1 any more.
	stopV1()
	versions(t, "goon", subscription)
	moved = append(moved, "v2: wrapped issue 3 of the letter to Grace", "v2: sent issue 3 of the letter to Grace")
	waitFor(t, subscription, moved...)
	waitFor(t, newSubscription, "v2: wrapped issue 1 of the letter to Grace", "v2: sent issue 1 of the letter to Grace")
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"fly"}, {"worker"}, {"worker", "v1", "v2"}, {"start", "now"}, {"goon"}, {"story"}} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 2, run(t.Context(), args, &stdout, &stderr))
		require.Empty(t, stdout.String())
		require.Equal(t, usage, stderr.String())
	}
	var stdout, stderr bytes.Buffer
	require.Equal(t, 1, run(t.Context(), []string{"worker", "v3"}, &stdout, &stderr))
	require.Equal(t, "versions: there is no build \"v3\": want v1 or v2\n", stderr.String())
}
