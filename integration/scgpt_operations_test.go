package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// runScGPT runs the agent on a queue of the test's own until the test ends.
func runScGPT(t *testing.T, queue string, o scgpt.Options) (*api.Client, client.Client) {
	t.Helper()
	o.Logger = silent
	if o.Models == "" {
		o.Models, o.DefaultModel, o.References = testModels, testModel, "../testdata/references"
	}
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(onQueue(scgpt.New(o), queue)))
	run(t, reg)
	c := clientTo(t, hostPort)
	return api.NewClient(c, api.TemporalConfig{TaskQueue: queue}), c
}

// withBatches writes a copy of a file with obs["batch"].
func withBatches(t *testing.T, in, out string) {
	t.Helper()
	f, err := anndata.Open(in)
	require.NoError(t, err)
	defer f.Close()
	batches := make([]string, f.NObs())
	for i := range batches {
		batches[i] = []string{"pbmc68k_reduced", "celltypist_sample"}[i%3%2]
	}
	require.NoError(t, anndata.Copy(t.Context(), f, out, anndata.Additions{Obs: []anndata.NewColumn{{Name: "batch", Values: batches}}}))
}

// Every operation, in one piece and in shards: the same bytes.
func TestOperations(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := copyCells(t, "pbmc68k_test.h5ad", dir)
	batched := filepath.Join(dir, "batched.h5ad")
	withBatches(t, in, batched)
	c, _ := runScGPT(t, "operations-tasks", scgpt.Options{Roots: []string{dir}, NoMemo: true})
	ctx := within(t, longPatience())
	const dsbn = "tiny_scgpt_dsbn"
	operations := map[string]func(out string, shards api.ShardOptions) (id string, err error){
		"annotation": func(out string, shards api.ShardOptions) (string, error) {
			return c.StartAnnotation(ctx, api.AnnotationRequest{ExpressionData: in, Out: out, ShardOptions: shards})
		},
		"annotation by reference": func(out string, shards api.ShardOptions) (string, error) {
			return c.StartAnnotation(ctx, api.AnnotationRequest{ExpressionData: in, Out: out, ReferenceDataset: "pbmc68k", ShardOptions: shards})
		},
		"embedding": func(out string, shards api.ShardOptions) (string, error) {
			return c.StartCellEmbedding(ctx, api.CellEmbeddingRequest{ExpressionData: in, Out: out, Model: dsbn, ShardOptions: shards})
		},
		"integration": func(out string, shards api.ShardOptions) (string, error) {
			return c.StartIntegration(ctx, api.BatchIntegrationRequest{ExpressionData: batched, Out: out, Model: dsbn, NHVG: 60, ShardOptions: shards})
		},
	}
	for name, start := range operations {
		t.Run(name, func(t *testing.T) {
			var outs []string
			var results []map[string]any
			for i, shards := range []api.ShardOptions{{ShardCells: 1000}, {ShardCells: 70, MaxShardsInFlight: 2}} {
				out := filepath.Join(dir, []string{"one.h5ad", "many.h5ad"}[i])
				id, err := start(out, shards)
				require.NoError(t, err)
				res, err := api.Wait[json.RawMessage](ctx, c, id)
				require.NoError(t, err)
				require.Equal(t, api.StatusCompleted, res.Status)
				var fields map[string]any
				require.NoError(t, json.Unmarshal(*res.Result, &fields))
				require.Equal(t, out, fields["out"])
				for _, own := range []string{"out", "report", "csv", "seconds"} {
					delete(fields, own)
				}
				outs, results = append(outs, out), append(results, fields)
			}
			requireSameFile(t, outs[0], outs[1])
			require.Equal(t, results[0], results[1])
			require.NoDirExists(t, outs[1]+".shards")
			for _, path := range slices.Concat(annotated(outs[0]), annotated(outs[1])) {
				if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
					require.NoError(t, err)
				}
			}
		})
	}
	t.Run("genes", func(t *testing.T) {
		id, err := c.StartGeneEmbedding(ctx, api.EmbeddingRequest{Genes: []string{"CD3D", "LYZ"}, IncludeSimilarity: true})
		require.NoError(t, err)
		res, err := api.Wait[api.EmbeddingResponse](ctx, c, id)
		require.NoError(t, err)
		require.Equal(t, []string{"CD3D", "LYZ"}, res.Result.Genes)
		require.Len(t, res.Result.Similarity, 2)
		_, err = c.Result(ctx, id)
		require.ErrorContains(t, err, "is a ScGPTGeneEmbeddingWorkflow, not a ScGPTAnalysisWorkflow")
		_, err = api.Wait[int](ctx, c, id)
		require.ErrorContains(t, err, "no workflow of the agent returns a int")
	})
	requireOnly(t, dir, in, batched)
}

// The whole of an analysis: labels from a reference, integration, genes; followed
// and asked about on the way.
func TestAnalysisWithEverything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := filepath.Join(dir, "batched.h5ad")
	withBatches(t, "../testdata/cells/pbmc68k_test.h5ad", in)
	c, sdk := runScGPT(t, "everything-tasks", scgpt.Options{Roots: []string{dir}})
	ctx := within(t, longPatience())
	require.NoError(t, c.AddSearchAttributes(ctx))
	require.NoError(t, c.AddSearchAttributes(ctx), "they may be there")
	started, err := c.RunAnalysis(ctx, api.AnalysisWorkflowRequest{
		ExpressionData: in, ReferenceDataset: "pbmc68k", BatchKey: "batch", NHVG: 50, Genes: []string{"CD3D"},
		Out: filepath.Join(dir, "x.h5ad"), ShardOptions: api.ShardOptions{ShardCells: 40}, SearchAttributes: true,
	}, false)
	require.NoError(t, err)
	require.Regexp(t, `^scgpt-analysis-[0-9a-f]{8}$`, started.WorkflowID)
	require.Nil(t, started.Result)

	var last api.Progress
	phases := []string{}
	for p, err := range c.Progress(ctx, started.WorkflowID) {
		require.NoError(t, err)
		require.GreaterOrEqual(t, p.CellsDone, last.CellsDone)
		last = p
		phases = append(phases, p.Phase)
	}
	require.Equal(t, api.PhaseDone, last.Phase)
	require.Equal(t, 200, last.CellsDone)
	require.Equal(t, 5, last.ShardsTotal)
	require.Positive(t, last.Estimate.Tokens)
	require.True(t, slices.Contains(phases, api.PhaseDone))
	status, err := api.StatusQuery.Ask(ctx, sdk, started.WorkflowID, "")
	require.NoError(t, err)
	require.Equal(t, api.StatusComplete, status)

	res, err := c.ResultNow(ctx, started.WorkflowID)
	require.NoError(t, err)
	require.Equal(t, api.StatusComplete, res.Result.Status)
	require.Equal(t, api.MethodReference, res.Result.Annotation.Method)
	require.Equal(t, map[string]int{"pbmc68k_reduced": 133, "celltypist_sample": 67}, res.Result.Integration.Batches)
	require.Equal(t, filepath.Join(dir, "x.integrated.h5ad"), res.Result.Integration.Out)
	require.Equal(t, []string{"CD3D"}, res.Result.GeneEmbeddings.Genes)
	requireOnly(t, dir, append(annotated(filepath.Join(dir, "x.h5ad")), in, filepath.Join(dir, "x.integrated.h5ad"))...)

	// The integration is done as it was asked for: these values are no counts.
	_, err = c.RunAnalysis(ctx, api.AnalysisWorkflowRequest{
		ExpressionData: in, ReferenceDataset: "pbmc68k", BatchKey: "batch", NHVG: 50, Flavor: "seurat_v3", Out: filepath.Join(dir, "y.h5ad"),
	}, true)
	require.ErrorContains(t, err, "seurat_v3 is for counts")
	require.NoFileExists(t, filepath.Join(dir, "y.h5ad"), "labels before the error")

	// Visible to a list by search attributes, which appear there in time.
	require.Eventually(t, func() bool {
		n, err := sdk.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Query: `TroupePhase = "complete" AND TroupeModel = "tiny_scgpt" AND TroupeCells = 200 AND TaskQueue = "everything-tasks"`,
		})
		return err == nil && n.GetCount() == 1
	}, patience, 100*time.Millisecond)
	list, err := c.List(ctx, 10)
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(list, func(s api.WorkflowStatus) bool { return s.WorkflowID == started.WorkflowID }))
	require.ErrorContains(t, c.Cancel(ctx, started.WorkflowID), "has ended already: it is completed")
	require.ErrorContains(t, c.Terminate(ctx, "none", "no reason"), `there is no workflow "none"`)
}

// A cancellation reaches the forward pass in which the worker is, removes what
// was computed, and leaves the worker free for the next request.
func TestCancelReachesTheForwardPass(t *testing.T) {
	t.Parallel()
	models, model := bigModel(t)
	dir := t.TempDir()
	in := copyCells(t, "celltypist_sample.h5ad", dir)
	c, sdk := runScGPT(t, "cancel-tasks", scgpt.Options{Models: models, DefaultModel: model, Roots: []string{dir}, Threads: 1})
	ctx := within(t, longPatience())
	id, err := c.StartAnalysis(ctx, api.AnalysisWorkflowRequest{ExpressionData: in, Out: filepath.Join(dir, "x.h5ad"), ShardOptions: api.ShardOptions{ShardCells: 300}})
	require.NoError(t, err)
	for p, err := range c.Progress(ctx, id) {
		require.NoError(t, err)
		if p.Phase == api.PhaseEmbedding && p.CellsDone > 0 {
			break
		}
	}
	begun := time.Now()
	require.NoError(t, c.Cancel(ctx, id))
	_, err = c.Result(ctx, id)
	require.True(t, temporal.IsCanceledError(err), "%v", err)
	t.Logf("cancelled %v after the request", time.Since(begun).Round(time.Millisecond))
	status, err := c.Status(ctx, id)
	require.NoError(t, err)
	require.Equal(t, api.StatusCanceled, status.Status)
	for _, n := range attempts(t, sdk, id, api.EmbedShard.Name()) {
		require.Equal(t, 1, n)
	}
	// The second shard had its attempt cancelled while it waited, or before it
	// was taken; neither wrote anything that stays.
	requireOnly(t, dir, in)
	require.Positive(t, cancelledActivities(ctx, t, sdk, id), "an activity said that it was cancelled")
}

func cancelledActivities(ctx context.Context, t *testing.T, c client.Client, id string) (n int) {
	t.Helper()
	events := c.GetWorkflowHistory(ctx, id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		require.NoError(t, err)
		if e.GetEventType() == enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED {
			n++
		}
	}
	return n
}

// The same request twice, to workers in two processes that share a folder: the
// second one is served from it.
func TestMemoAmongProcesses(t *testing.T) {
	t.Parallel()
	dir, memo := t.TempDir(), t.TempDir()
	in := copyCells(t, "celltypist_sample.h5ad", dir)
	ctx := within(t, longPatience())
	var results [2]api.AnalysisWorkflowResult
	outs := [2]string{filepath.Join(dir, "a.h5ad"), filepath.Join(dir, "b.h5ad")}
	for i, out := range outs {
		passes := filepath.Join(t.TempDir(), "passes")
		worker := childWorker{
			Address: hostPort, TaskQueue: "memo-tasks", Models: testModels, Root: dir, Memo: memo, Passes: passes,
		}
		kill := startWorker(t, worker)
		c := api.NewClient(clientTo(t, hostPort), api.TemporalConfig{TaskQueue: worker.TaskQueue})
		res, err := c.RunAnalysis(ctx, api.AnalysisWorkflowRequest{ExpressionData: in, Out: out, ShardOptions: api.ShardOptions{ShardCells: 200}}, true)
		require.NoError(t, err)
		kill()
		results[i] = *res.Result
		_, cells := passesIn(t, passes)
		require.Equal(t, []int{559, 0}[i], cells, "cells in forward passes")
	}
	require.False(t, results[0].Metadata.FromMemo)
	require.True(t, results[1].Metadata.FromMemo)
	require.True(t, results[1].Annotation.FromMemo)
	require.True(t, results[1].GeneEmbeddings.FromMemo)
	require.Equal(t, outs[1], results[1].Annotation.Out)
	require.Equal(t, results[0].Annotation.Counts, results[1].Annotation.Counts)
	requireSameFile(t, outs[0], outs[1])
	requireOnly(t, dir, append(slices.Concat(annotated(outs[0]), annotated(outs[1])), in)...)
}

// More shards than one run of the workflow sees to: it continues as new, and the
// client follows.
func TestAnalysisOfManyShards(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := filepath.Join(dir, "many.h5ad")
	copies(t, "../testdata/cells/pbmc68k_test.h5ad", in, 1003)
	c, _ := runScGPT(t, "many-tasks", scgpt.Options{Roots: []string{dir}, NoMemo: true})
	ctx := within(t, longPatience())
	res, err := c.RunAnalysis(ctx, api.AnalysisWorkflowRequest{
		ExpressionData: in, Out: filepath.Join(dir, "x.h5ad"),
		ShardOptions: api.ShardOptions{ShardCells: 1, MaxShardsInFlight: 50}, Cells: api.CellOptions{MaxLength: 20},
	}, true)
	require.NoError(t, err)
	require.Equal(t, 1003, res.Result.Metadata.Shards)
	require.Equal(t, 1003, res.Result.Annotation.Cells)
	require.Zero(t, res.Result.Metadata.ShardsReused)
	requireOnly(t, dir, append(annotated(filepath.Join(dir, "x.h5ad")), in)...)
}

// copies writes an .h5ad file of n cells, those of another one over and over, with
// the first 30 values of each.
func copies(t *testing.T, from, to string, n int) {
	t.Helper()
	f, err := anndata.Open(from)
	require.NoError(t, err)
	defer f.Close()
	genes, err := f.Var().Index()
	require.NoError(t, err)
	x, err := f.X()
	require.NoError(t, err)
	block, err := x.Rows(t.Context(), 0, f.NObs())
	require.NoError(t, err)

	// As a folder of 10x Genomics, which is easy to write and to convert.
	var entries, features, barcodes strings.Builder
	count := 0
	for cell := range n {
		fmt.Fprintf(&barcodes, "cell%d\n", cell)
		columns, values := block.Row(cell % f.NObs())
		for k := range min(30, len(columns)) {
			fmt.Fprintf(&entries, "%d %d %v\n", columns[k]+1, cell+1, values[k])
			count++
		}
	}
	for _, g := range genes {
		fmt.Fprintf(&features, "%s\t%s\tGene Expression\n", g, g)
	}
	folder := t.TempDir()
	for name, text := range map[string]string{
		"matrix.mtx":   fmt.Sprintf("%%%%MatrixMarket matrix coordinate real general\n%d %d %d\n%s", len(genes), n, count, entries.String()),
		"features.tsv": features.String(), "barcodes.tsv": barcodes.String(),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644))
	}
	tenX, err := anndata.Open(folder)
	require.NoError(t, err)
	defer tenX.Close()
	require.NoError(t, anndata.Copy(t.Context(), tenX, to, anndata.Additions{}))
}

// Bad input with the class of its error, at once and without a trace, through
// every operation that meets it.
func TestBadModelsAndReferences(t *testing.T) {
	t.Parallel()
	dir, models := t.TempDir(), t.TempDir()
	in := copyCells(t, "pbmc68k_test.h5ad", dir)
	require.NoError(t, os.CopyFS(filepath.Join(models, "good"), os.DirFS(filepath.Join(testModels, testModel))))
	require.NoError(t, os.CopyFS(filepath.Join(models, "dsbn"), os.DirFS(filepath.Join(testModels, "tiny_scgpt_dsbn"))))
	require.NoError(t, os.CopyFS(filepath.Join(models, "truncated"), os.DirFS(filepath.Join(testModels, testModel))))
	weights := filepath.Join(models, "truncated", "best_model.pt")
	data, err := os.ReadFile(weights)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(weights, data[:len(data)/2], 0o644))
	foreign := filepath.Join(dir, "foreign.h5ad")
	data, err = os.ReadFile("../testdata/h5ad/csr_gzip.h5ad")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(foreign, data, 0o644))
	c, sdk := runScGPT(t, "bad-model-tasks", scgpt.Options{
		Models: models, DefaultModel: "good", References: "../testdata/references", Roots: []string{dir},
	})
	cases := []struct {
		name  string
		req   api.AnalysisWorkflowRequest
		class retry.Class
		want  string
	}{
		{"truncated checkpoint", api.AnalysisWorkflowRequest{ExpressionData: in, Model: "truncated"}, retry.InvalidData, "best_model.pt"},
		{"no gene known", api.AnalysisWorkflowRequest{ExpressionData: foreign}, retry.InvalidData, "only 0 of 80 genes"},
		{"reference of another checkpoint", api.AnalysisWorkflowRequest{ExpressionData: in, Model: "dsbn", ReferenceDataset: "pbmc68k"}, retry.InvalidData, "was built with the checkpoint tiny_scgpt"},
		{"unknown reference", api.AnalysisWorkflowRequest{ExpressionData: in, ReferenceDataset: "cellxgene"}, retry.FileNotFound, "holds pbmc68k"},
		{"neither reference nor head", api.AnalysisWorkflowRequest{ExpressionData: in, Model: "dsbn"}, retry.InvalidData, "or name a labelled reference"},
		{"batches that are not there", api.AnalysisWorkflowRequest{ExpressionData: in, BatchKey: "none"}, retry.InvalidData, `no column "none"`},
		{"output of another format", api.AnalysisWorkflowRequest{ExpressionData: in, Out: filepath.Join(dir, "x.csv")}, retry.InvalidData, "want a name that ends in .h5ad"},
		{"unwritable output", api.AnalysisWorkflowRequest{ExpressionData: in, Out: filepath.Join(in, "x.h5ad")}, retry.InvalidData, "is a file, not a folder"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			id, err := c.StartAnalysis(within(t, patience), tc.req)
			require.NoError(t, err)
			_, err = c.Result(within(t, patience), id)
			require.ErrorContains(t, err, tc.want)
			class, _ := retry.ClassOf(err)
			require.Equal(t, tc.class, class)
			for _, n := range attempts(t, sdk, id, api.PlanCells.Name()) {
				require.Equal(t, 1, n)
			}
			requireOnly(t, dir, in, foreign)
		})
	}
}
