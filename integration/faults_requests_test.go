package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// absurd are values that a field may have in a request from outside.
func absurd(r *rand.Rand, dir, cells string) any {
	many := make([]any, 20_000)
	for i := range many {
		many[i] = fmt.Sprintf("GENE%d", i)
	}
	deep := any("x")
	for range 500 {
		deep = []any{deep}
	}
	values := []any{
		nil, true, "", " ", "x", -1, 0, 1, 1e308, -1e308, 1 << 53, json.Number("99999999999999999999999"), json.Number("1e-999"),
		"/etc/passwd", "../../../../etc/passwd", "/dev/zero", "/proc/self/mem", dir, cells, filepath.Join(dir, "none.h5ad"), "a\x00b", "\u202e\ufeff",
		strings.Repeat("a/", 5000), strings.Repeat("ä", 100_000), "file:///etc/passwd", "con.h5ad", "-rf", "$(reboot)", "'; drop table cells; --",
		many, deep, []any{}, []any{nil}, map[string]any{}, map[string]any{"a": map[string]any{"b": 1}}, []any{"CD3D", 1},
	}
	return values[r.IntN(len(values))]
}

// A thousand requests that a fuzzer made up: each is answered with a result or with
// an error of a class, at once, and the worker stays up.
func TestFaultRequests(t *testing.T) {
	t.Parallel()
	n := often(150, 1000)
	r := dice(t)
	dir := t.TempDir()
	cells := copyCells(t, "pbmc68k_test.h5ad", dir)
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(onQueue(scgpt.New(scgpt.Options{
		Models: testModels, DefaultModel: testModel, Roots: []string{dir}, Out: "out", Logger: silent,
	}), "requests-tasks")))
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))
	c := clientTo(t, hostPort)
	ctx := within(t, faultPatience(often(2, 20)))
	analyses := api.NewClient(c, api.TemporalConfig{TaskQueue: "requests-tasks"})
	// A request may ask for them, and would wait for somebody to make them.
	require.NoError(t, analyses.AddSearchAttributes(ctx))

	// A request starts as a good one, of which some fields are then spoilt.
	good := map[string]func() map[string]any{
		api.Analysis.Name():      func() map[string]any { return map[string]any{"expression_data": cells, "no_report": true} },
		api.Annotation.Name():    func() map[string]any { return map[string]any{"expression_data": cells, "no_report": true} },
		api.Integration.Name():   func() map[string]any { return map[string]any{"expression_data": cells, "batch_key": "bulk_labels"} },
		api.CellEmbedding.Name(): func() map[string]any { return map[string]any{"expression_data": cells} },
		api.GeneEmbedding.Name(): func() map[string]any { return map[string]any{"genes": []any{"CD3D"}} },
	}
	fields := []string{
		"expression_data", "model", "reference_dataset", "out", "genes", "batch_key", "n_hvg", "cells", "labels", "shard_cells",
		"max_shards_in_flight", "baseline_data", "tissue", "name_clusters", "include_similarity", "no_memo", "resume", "plan", "search_attributes",
	}
	options := []string{"layer", "gene_column", "max_length", "cap", "ties", "seed", "label_column", "min_gene_share"}
	types := slices.Sorted(maps.Keys(good))
	type made struct{ kind, body string }
	var requests []made
	for len(requests) < n {
		kind := types[r.IntN(len(types))]
		req := good[kind]()
		for range 1 + r.IntN(3) {
			req[fields[r.IntN(len(fields))]] = absurd(r, dir, cells)
		}
		if r.IntN(3) == 0 {
			req["cells"] = map[string]any{options[r.IntN(len(options))]: absurd(r, dir, cells)}
		}
		body, err := json.Marshal(req)
		require.NoError(t, err)
		if r.IntN(10) == 0 { // no JSON at all
			at := r.IntN(len(body))
			body = append(append(slices.Clone(body[:at]), byte(r.IntN(256))), body[min(len(body), at+1+r.IntN(20)):]...)
		}
		requests = append(requests, made{kind, string(body)})
	}

	var mu sync.Mutex
	classes := map[string]int{}
	work := make(chan made)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for q := range work {
				class := answerTo(t, c, q.kind, q.body, time.Minute)
				mu.Lock()
				classes[class]++
				mu.Unlock()
			}
		})
	}
	for _, q := range requests {
		work <- q
	}
	close(work)
	workers.Wait()
	t.Log(classes)
	known := []string{"ok", "InvalidDataError", "FileNotFoundError", "ModelNotFoundError"}
	for class, n := range classes {
		require.Contains(t, known, class, "%d requests", n)
	}
	require.Greater(t, classes["InvalidDataError"], n/4)

	s, err := reg.AgentStatus(api.Domain.Name)
	require.NoError(t, err)
	require.Equal(t, registry.StateReady, s.State)
	require.Zero(t, s.Restarts)
	require.Empty(t, s.Running)
	result, err := analyses.RunAnalysis(ctx, api.AnalysisWorkflowRequest{ExpressionData: cells, Out: filepath.Join(dir, "good.h5ad")}, true)
	require.NoError(t, err)
	require.Equal(t, api.StatusComplete, result.Result.Status)
	for _, leftover := range []string{".troupe-*", "out/.troupe-*", "*.shards", "out/*.shards", "*.tmp"} {
		found, err := filepath.Glob(filepath.Join(dir, leftover))
		require.NoError(t, err)
		require.Empty(t, found)
	}
	require.NoError(t, stop())
}

// answerTo starts a workflow with a body as it is and returns the class of its
// answer. The payload says that it is JSON, whatever it is.
func answerTo(t *testing.T, c client.Client, kind, body string, patience time.Duration) string {
	started, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		TaskQueue: "requests-tasks", WorkflowExecutionTimeout: patience,
	}, kind, converter.NewRawValue(&commonpb.Payload{
		Metadata: map[string][]byte{converter.MetadataEncoding: []byte(converter.MetadataEncodingJSON)}, Data: []byte(body),
	}))
	if err != nil {
		return fmt.Sprintf("not started: %v", err)
	}
	err = started.Get(t.Context(), nil)
	var application *temporal.ApplicationError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &application):
		if len(application.Message()) > retry.MaxMessageBytes {
			return fmt.Sprintf("%s of %d bytes: %.200s", application.Type(), len(application.Message()), body)
		}
		for _, n := range attempts(t, c, started.GetID()) {
			if n > 1 {
				return application.Type() + " that was tried again"
			}
		}
		return application.Type()
	default:
		return fmt.Sprintf("%v: %.300s", err, body)
	}
}
