package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/internal/processtest"
	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// Many analyses at once, more than the workers can take: all complete, the workers'
// memory stays where it was, who began first ends first by and large, and no
// workflow task takes so long that the SDK suspects a deadlock.
func TestFaultManyAnalyses(t *testing.T) {
	t.Parallel()
	n, processes := often(40, 2000), often(2, 4)
	dir := t.TempDir()
	in := copyCells(t, "pbmc68k_test.h5ad", dir)
	worker := childWorker{Address: hostPort, TaskQueue: "many-analyses-tasks", Models: testModels, Root: dir, Passes: filepath.Join(t.TempDir(), "passes")}
	config, err := json.Marshal(worker)
	require.NoError(t, err)
	var log lockedBuffer
	reg := newRegistry(hostPort, func(o *registry.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	one := registry.ProcessOptions{
		Args: []string{}, Output: &log, Env: []string{childProcess + "=" + string(config), "TEMPORAL_ADDRESS=" + hostPort},
	}
	require.NoError(t, reg.Register(worker.agent(), registry.Process(slices.Repeat([]registry.ProcessOptions{one}, processes)...)))
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))

	var mu sync.Mutex
	var largest int64
	observed := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-observed:
				return
			case <-tick.C:
			}
			s, err := reg.AgentStatus(api.Domain.Name)
			if err != nil {
				continue
			}
			mu.Lock()
			for _, p := range s.Processes {
				largest = max(largest, p.ResidentBytes)
			}
			mu.Unlock()
		}
	}()
	c := clientTo(t, hostPort)
	analyses := api.NewClient(c, api.TemporalConfig{TaskQueue: worker.TaskQueue})
	ctx := within(t, faultPatience(n/10))
	begun := time.Now()
	var ids, outs []string
	for i := range n {
		out := filepath.Join(dir, fmt.Sprintf("%04d.h5ad", i))
		id, err := analyses.StartAnalysis(ctx, api.AnalysisWorkflowRequest{ExpressionData: in, Out: out, ReportOptions: api.ReportOptions{NoReport: true}})
		require.NoError(t, err)
		ids, outs = append(ids, id), append(outs, out)
	}
	for _, id := range ids {
		result, err := analyses.Result(ctx, id)
		require.NoError(t, err, id)
		require.Equal(t, api.StatusComplete, result.Result.Status)
	}
	took := time.Since(begun)
	close(observed)
	<-watched
	var closed []time.Time
	for _, id := range ids {
		d, err := c.DescribeWorkflowExecution(ctx, id, "")
		require.NoError(t, err)
		closed = append(closed, d.GetWorkflowExecutionInfo().GetCloseTime().AsTime())
	}
	overtaken := 0 // the most that began later and ended earlier
	for i := range closed {
		by := 0
		for _, later := range closed[i+1:] {
			if later.Before(closed[i]) {
				by++
			}
		}
		overtaken = max(overtaken, by)
	}
	first, last := closed[:n/4], closed[n-n/4:]
	slices.SortFunc(first, time.Time.Compare)
	slices.SortFunc(last, time.Time.Compare)
	require.True(t, first[len(first)/2].Before(last[len(last)/2]), "the first quarter ended at %v, the last one at %v", first[len(first)/2], last[len(last)/2])
	for _, out := range outs[1:] {
		requireSameFile(t, outs[0], out)
	}
	requireOnly(t, dir, append(outs, in)...)
	s, err := reg.AgentStatus(api.Domain.Name)
	require.NoError(t, err)
	require.Zero(t, s.Restarts)
	t.Logf("%d analyses on %d workers in %v, each of which took %d MB of memory at most; one was overtaken by %d at most",
		n, processes, took.Round(time.Second), largest>>20, overtaken)
	if processtest.CountsMemory {
		require.Positive(t, largest)
	}
	require.Less(t, largest, int64(1<<30))
	require.NotContains(t, log.String(), "deadlock")
	require.NoError(t, stop())
}

// lockedBuffer is a log that several write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
