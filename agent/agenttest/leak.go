package agenttest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/pprof"
	"strings"
	"time"
)

const leakLabel = "agenttest.Conformance"

// watch calls f in such a way that the goroutines that f starts, and those that
// they start, can be told from all others. leaked waits for their end; its
// error shows those that do not end.
func watch(ctx context.Context, f func(ctx context.Context, leaked func(time.Duration) error)) {
	id := fmt.Sprintf("%016x", rand.Uint64())
	pprof.Do(ctx, pprof.Labels(leakLabel, id), func(ctx context.Context) {
		f(ctx, func(limit time.Duration) error { return waitForEnd(id, limit) })
	})
}

func waitForEnd(id string, limit time.Duration) error {
	timeout := time.After(limit)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		stacks, err := labelled(id)
		if err != nil || stacks == "" {
			return err
		}
		select {
		case <-look.C:
		case <-timeout:
			return fmt.Errorf("goroutines still run %v after the last Stop:\n%s", limit, stacks)
		}
	}
}

// labelled returns the stacks of the goroutines with the label, in the format
// of the goroutine profile, without those of the test itself.
func labelled(id string) (string, error) {
	var profile strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return "", err
	}
	var stacks []string
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		own := strings.Contains(stack, "testing.(*T).Run") || strings.Contains(stack, "testing.tRunner")
		if strings.Contains(stack, id) && !own {
			stacks = append(stacks, stack)
		}
	}
	return strings.Join(stacks, "\n\n"), nil
}
