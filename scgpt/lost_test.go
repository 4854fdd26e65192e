package scgpt

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/agent/agenttest"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// started is an agent that works in a folder with the cells of a file of testdata,
// of which every second one is of the other batch.
func started(t *testing.T) (a *Agent, dir, cells string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	cells = filepath.Join(dir, "cells.h5ad")
	f, err := anndata.Open(filepath.Join("..", "testdata", "cells", "pbmc68k_test.h5ad"))
	require.NoError(t, err)
	batches := make([]string, f.NObs())
	for i := range batches {
		batches[i] = []string{"a", "b"}[i%2]
	}
	require.NoError(t, anndata.Copy(t.Context(), f, cells, anndata.Additions{Obs: []anndata.NewColumn{{Name: "batch", Values: batches}}}))
	require.NoError(t, f.Close())
	return agenttest.Start(t, New(Options{
		Models: filepath.Join("..", "testdata", "models"), DefaultModel: "tiny_scgpt", Roots: []string{dir}, Threads: 1,
	})), dir, cells
}

// do runs one activity of the agent.
func do[In, Out any](t *testing.T, a *Agent, what agent.Activity[In, Out], in In) (Out, error) {
	t.Helper()
	return agenttest.RunActivity(agenttest.NewEnvironment(t, a), what, in)
}

// What happens to finished shards before the activity that needs them costs their
// computation, and nothing else: the result is the same to the byte.
func TestLostShardsAreComputedAnew(t *testing.T) {
	a, _, cells := started(t)
	tasks := map[string]struct {
		plan   api.PlanRequest
		finish func(*api.Plan) (out string, more []string, err error)
	}{
		"annotate": {
			api.PlanRequest{Task: api.TaskAnnotate, Out: "annotated.h5ad"},
			func(p *api.Plan) (string, []string, error) {
				res, err := do(t, a, api.AnnotateCellTypes, api.AnnotationRequest{ExpressionData: cells, Out: p.Out, Plan: p, NoMemo: true})
				return res.Out, []string{res.Report, res.CSV}, err
			},
		},
		"embed": {
			api.PlanRequest{Task: api.TaskEmbed, Out: "embedded.h5ad"},
			func(p *api.Plan) (string, []string, error) {
				res, err := do(t, a, api.EmbedCells, api.CellEmbeddingRequest{ExpressionData: cells, Out: p.Out, Plan: p, NoMemo: true})
				return res.Out, nil, err
			},
		},
		"integrate": {
			api.PlanRequest{Task: api.TaskIntegrate, Out: "integrated.h5ad", NHVG: 60, Flavor: "cell_ranger"},
			func(p *api.Plan) (string, []string, error) {
				res, err := do(t, a, api.IntegrateBatches, api.BatchIntegrationRequest{
					ExpressionData: cells, Out: p.Out, Plan: p, NoMemo: true, NHVG: 60, Flavor: "cell_ranger",
				})
				return res.Out, nil, err
			},
		},
	}
	// falsify writes a shard of another key, with values that must not be taken.
	falsify := func(t *testing.T, path string, change func(*shardKey)) {
		t.Helper()
		key := headerOf(t, path).Key
		e, _, err := readShard(path, key, false)
		require.NoError(t, err)
		change(&key)
		for i := range e.Vectors {
			e.Vectors[i] = 1
		}
		require.NoError(t, writeShard(path, key, e))
	}
	faults := map[string]func(t *testing.T, shards []string){
		"one is removed": func(t *testing.T, shards []string) { require.NoError(t, os.Remove(shards[1])) },
		"all are removed": func(t *testing.T, shards []string) {
			_, err := removeShards(filepath.Dir(shards[0]))
			require.NoError(t, err)
		},
		"one is damaged": func(t *testing.T, shards []string) { require.NoError(t, os.Truncate(shards[0], 1000)) },
		"one is of another version": func(t *testing.T, shards []string) {
			falsify(t, shards[2], func(k *shardKey) { k.Version = "0.0.0" })
		},
		"all are of other options": func(t *testing.T, shards []string) {
			for _, path := range shards {
				falsify(t, path, func(k *shardKey) { k.Options.Seed++ })
			}
		},
	}
	for name, task := range tasks {
		t.Run(name, func(t *testing.T) {
			task.plan.ExpressionData, task.plan.ShardCells = cells, 60
			plan, err := do(t, a, api.PlanCells, task.plan)
			require.NoError(t, err)
			require.Equal(t, 4, plan.Shards())
			shards := make([]string, plan.Shards())
			embed := func() {
				t.Helper()
				for i := range shards {
					s, err := do(t, a, api.EmbedShard, api.ShardRequest{Plan: plan, Index: i, NoMemo: true})
					require.NoError(t, err)
					shards[i] = s.Path
				}
			}
			finish := func() (content [][]byte) {
				t.Helper()
				out, more, err := task.finish(&plan)
				require.NoError(t, err)
				for _, path := range append(more, out) {
					data, err := os.ReadFile(path)
					require.NoError(t, err)
					content = append(content, data)
				}
				return content
			}
			embed()
			want := finish()
			for name, fault := range faults {
				t.Run(name, func(t *testing.T) {
					embed()
					fault(t, shards)
					require.True(t, slices.EqualFunc(want, finish(), slices.Equal))
					for _, path := range shards {
						require.Equal(t, Version, headerOf(t, path).Key.Version)
					}
				})
			}
			if task.plan.Task != api.TaskIntegrate {
				return
			}
			// The genes that a shard is computed with may be lost too. A plan of an
			// older worker does not say how they were chosen.
			genes := filepath.Join(plan.ShardDir, choiceName)
			require.NoError(t, os.WriteFile(genes, []byte("{}"), 0o644))
			embed()
			require.True(t, slices.EqualFunc(want, finish(), slices.Equal))
			require.NoError(t, os.Remove(genes))
			old := plan
			old.NHVG, old.Flavor = 0, ""
			_, err = do(t, a, api.EmbedShard, api.ShardRequest{Plan: old})
			class, _ := retry.ClassOf(err)
			require.Equal(t, retry.InvalidData, class, "%v", err)
			require.ErrorContains(t, err, "chosen anew the genes are others")
			require.NoFileExists(t, genes)
		})
	}
}

// headerOf reads the header of a shard's file.
func headerOf(t *testing.T, path string) (h shardHeader) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	data = data[len(shardMagic):]
	require.NoError(t, json.Unmarshal(data[4:][:binary.LittleEndian.Uint32(data)], &h))
	return h
}

// The same in a workflow, between its last shard and the activity after it.
func TestAnalysisLosesItsShards(t *testing.T) {
	a, dir, cells := started(t)
	run := func(out string, lose func(folder string)) (content []byte) {
		t.Helper()
		env := agenttest.NewEnvironment(t, a)
		env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
			if info.ActivityType.Name == api.AnnotateCellTypes.Name() {
				lose(filepath.Join(dir, out+shardsSuffix, info.WorkflowExecution.ID))
			}
		})
		res, err := agenttest.Run(env, api.Analysis, api.AnalysisWorkflowRequest{
			ExpressionData: cells, Out: out, NoMemo: true, ShardOptions: api.ShardOptions{ShardCells: 60}, ReportOptions: api.ReportOptions{NoReport: true},
		})
		require.NoError(t, err)
		require.Equal(t, 4, res.Metadata.Shards)
		content, err = os.ReadFile(res.Annotation.Out)
		require.NoError(t, err)
		require.NoDirExists(t, filepath.Join(dir, out+shardsSuffix))
		return content
	}
	want := run("a.h5ad", func(string) {})
	lost := 0
	got := run("b.h5ad", func(folder string) {
		for _, name := range []string{"000000.shard", "000002.shard"} {
			if os.Remove(filepath.Join(folder, name)) == nil {
				lost++
			}
		}
	})
	require.Equal(t, 2, lost)
	require.True(t, slices.Equal(want, got))
}
