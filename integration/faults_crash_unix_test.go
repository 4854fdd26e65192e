//go:build unix

package integration

import (
	"context"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/seed-ab6af24b/troupe/registry"
)

// crashes are ways in which an activity takes its process with it.
var crashes = map[string]func(){
	"exit":                func() { os.Exit(9) },
	"segmentation fault":  func() { _ = syscall.Kill(os.Getpid(), syscall.SIGSEGV); select {} },
	"panic of no one's":   func() { go func() { panic("boom") }(); select {} },
	"memory hog":          hog,
	"goroutines, forking": func() { fork(); select {} },
}

// hogged is what hog has taken.
var hogged [][]byte

// hog takes memory until there is none.
func hog() {
	for {
		b := make([]byte, 8<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		hogged = append(hogged, b)
	}
}

// fork starts goroutines that start goroutines, each with some memory.
func fork() {
	b := make([]byte, 64<<10)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	go fork()
	go fork()
	<-context.Background().Done()
	b[0]++
}

// An agent whose process crashes, in whatever way, is back within its back-off and
// tells why; the agent beside it goes on answering.
func TestFaultCrashes(t *testing.T) {
	t.Parallel()
	c := clientTo(t, hostPort)
	risky, calm := newAgent(t, "risky"), newAgent(t, "calm")
	reg := newRegistry(hostPort, func(o *registry.Options) {
		o.BackOff = registry.BackOff{Initial: 5 * time.Millisecond, Max: 200 * time.Millisecond}
	})
	require.NoError(t, reg.Register(risky, registry.Process(registry.ProcessOptions{
		Args: []string{}, Output: silentOutput{}, MemoryLimit: 1 << 30,
		Env: []string{childAgent + "=" + risky.Name(), "TEMPORAL_ADDRESS=" + hostPort},
	})))
	require.NoError(t, reg.Register(calm))
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))

	quiet := latencies(t, c, calm, func(n int) bool { return n < often(50, 500) })
	t.Logf("%-20s p50 %v, p99 %v of %d answers of the agent beside it", "undisturbed", at(quiet, 50), at(quiet, 99), len(quiet))
	for kind := range crashes {
		before, err := reg.AgentStatus(risky.Name())
		require.NoError(t, err)
		var mu sync.Mutex
		over := false
		ended := make(chan error, 1)
		go func() {
			started, err := risky.workflow.Start(within(t, 2*patience), c, Text{kind})
			if err == nil {
				_, err = started.Get(within(t, 2*patience))
			}
			mu.Lock()
			over = true
			mu.Unlock()
			ended <- err
		}()
		during := latencies(t, c, calm, func(int) bool {
			mu.Lock()
			defer mu.Unlock()
			return !over
		})
		require.NoError(t, <-ended, kind)
		require.NoError(t, reg.WaitReady(within(t, patience)))
		after, err := reg.AgentStatus(risky.Name())
		require.NoError(t, err)
		require.Greater(t, after.Restarts, before.Restarts, kind)
		words := after.Processes[0].LastWords
		require.NotNil(t, words, kind)
		require.NotEmpty(t, during, kind)
		t.Logf("%-20s p50 %v, p99 %v of %d answers; %s", kind, at(during, 50), at(during, 99), len(during), words.Exit)
	}
	require.NoError(t, stop())
}

// latencies are those of an agent's answers, sorted, as long as more says so.
func latencies(t *testing.T, c client.Client, a *testAgent, more func(n int) bool) (all []time.Duration) {
	t.Helper()
	for more(len(all)) {
		begun := time.Now()
		a.echo(t, c, "calm")
		all = append(all, time.Since(begun))
	}
	slices.Sort(all)
	return all
}

// at returns a percentile.
func at(sorted []time.Duration, percent int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)].Round(100 * time.Microsecond)
}
