package scgpt

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/agent/agenttest"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// An analysis that an older worker planned goes on, whatever name that let pass for
// the output; a new one is refused.
func TestOutputOfAnOlderPlan(t *testing.T) {
	a, dir, cells := started(t)
	plan, err := do(t, a, api.PlanCells, api.PlanRequest{Task: api.TaskEmbed, ExpressionData: cells, Out: "x.h5ad", ShardCells: 200})
	require.NoError(t, err)
	require.Equal(t, 1, plan.Shards())
	plan.Out = filepath.Join(dir, "x.h5")
	req := api.CellEmbeddingRequest{ExpressionData: cells, Out: "x.h5"}

	env := agenttest.NewEnvironment(t, a)
	agenttest.Mock(env, api.PlanCells).Return(plan)
	res, err := agenttest.Run(env, api.CellEmbedding, req)
	require.NoError(t, err)
	require.Equal(t, plan.Out, res.Out)
	require.FileExists(t, plan.Out)
	require.NoError(t, os.Remove(plan.Out))

	refused := func(err error) {
		t.Helper()
		class, _ := retry.ClassOf(err)
		require.Equal(t, retry.InvalidData, class, "%v", err)
		require.ErrorContains(t, err, "out: x.h5: an .h5ad file is written")
		require.NoFileExists(t, plan.Out)
	}
	_, err = agenttest.Run(agenttest.NewEnvironment(t, a), api.CellEmbedding, req)
	refused(err)
	_, err = do(t, a, api.EmbedCells, req)
	refused(err)
}

func TestDefaultName(t *testing.T) {
	for in, want := range map[string]string{
		"/data/lung.h5ad":                          "lung",
		"/data/lung.raw":                           "lung.raw",
		"/data/lung/10x.h5":                        "10x.h5",
		"/data/s1/outs/filtered_feature_bc_matrix": "s1.filtered_feature_bc_matrix",
		"/data/s1/outs/raw_feature_bc_matrix.h5":   "s1.raw_feature_bc_matrix.h5",
		"/data/run/outs/per_sample_outs/s2/count/sample_filtered_feature_bc_matrix": "s2.sample_filtered_feature_bc_matrix",
		"/filtered_feature_bc_matrix": "filtered_feature_bc_matrix",
	} {
		require.Equal(t, want, defaultName(filepath.FromSlash(in)), in)
	}
}
