package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/agent/agenttest"
	"github.com/seed-ab6af24b/troupe/foogpt"
	"github.com/seed-ab6af24b/troupe/scgpt"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// record, set to 1, has TestRecord write histories.
const record = "TROUPE_RECORD"

// TestRecord records one history of each workflow of the scGPT agent, for
// agenttest.Replay: by default into a folder of the test's own, to see that it
// works; with TROUPE_RECORD=1 into testdata/histories. Paths and names of the
// machine are replaced.
func TestRecord(t *testing.T) {
	t.Parallel()
	to := t.TempDir()
	if os.Getenv(record) != "" {
		to = "../testdata/histories"
	}
	dir := t.TempDir()
	in, batched := copyCells(t, "pbmc68k_test.h5ad", dir), filepath.Join(dir, "batched.h5ad")
	withBatches(t, in, batched)
	const queue = "record-tasks"
	a := onQueue(scgpt.New(scgpt.Options{
		Models: testModels, DefaultModel: testModel, References: "../testdata/references", Roots: []string{dir}, NoMemo: true, Logger: silent,
	}), queue)
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(a))
	require.NoError(t, reg.Register(foogpt.New()))
	run(t, reg)
	sdk := clientTo(t, hostPort)
	c := api.NewClient(sdk, api.TemporalConfig{TaskQueue: queue})
	ctx := within(t, longPatience())
	shards := api.ShardOptions{ShardCells: 80}
	out := filepath.Join(dir, "x.h5ad")
	for name, start := range map[string]func() (string, error){
		"ScGPTAnalysisWorkflow-one_piece": func() (string, error) {
			return c.StartAnalysis(ctx, api.AnalysisWorkflowRequest{ExpressionData: in, Out: out, Genes: []string{"CD3D"}})
		},
		"ScGPTAnalysisWorkflow-everything": func() (string, error) {
			return c.StartAnalysis(ctx, api.AnalysisWorkflowRequest{
				ExpressionData: batched, Out: out, ReferenceDataset: "pbmc68k", BatchKey: "batch", NHVG: 50, NameClusters: true, Genes: []string{"CD3D"},
				Labels: api.LabelOptions{Neighbors: 400, MinConfidence: 0.9}, ShardOptions: shards,
			})
		},
		"ScGPTAnalysisWorkflow-missing_file": func() (string, error) {
			return c.StartAnalysis(ctx, api.AnalysisWorkflowRequest{ExpressionData: filepath.Join(dir, "none.h5ad")})
		},
		"ScGPTAnnotationWorkflow-shards": func() (string, error) {
			return c.StartAnnotation(ctx, api.AnnotationRequest{ExpressionData: in, Out: out, ShardOptions: shards})
		},
		"ScGPTIntegrationWorkflow-shards": func() (string, error) {
			return c.StartIntegration(ctx, api.BatchIntegrationRequest{ExpressionData: batched, Out: out, NHVG: 50, ShardOptions: shards})
		},
		"ScGPTCellEmbeddingWorkflow-shards": func() (string, error) {
			return c.StartCellEmbedding(ctx, api.CellEmbeddingRequest{ExpressionData: in, Out: out, ShardOptions: shards})
		},
		"ScGPTGeneEmbeddingWorkflow-markers": func() (string, error) {
			return c.StartGeneEmbedding(ctx, api.EmbeddingRequest{Genes: []string{"CD3D", "LYZ"}})
		},
	} {
		id, err := start()
		require.NoError(t, err)
		_ = sdk.GetWorkflow(ctx, id, "").Get(ctx, nil) // one of them fails, and that is recorded
		path := filepath.Join(to, a.Name(), name+".json")
		require.NoError(t, agenttest.Record(ctx, sdk, id, "", path))
		anonymise(t, path)
	}
	agenttest.Replay(t, to, scgpt.New(scgpt.Options{}))
}

// anonymise replaces what a history says about the machine that it was recorded
// on.
func anonymise(t *testing.T, path string) {
	t.Helper()
	host, err := os.Hostname()
	require.NoError(t, err)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	text := strings.NewReplacer(host, "host").Replace(string(data))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	require.NotContains(t, text, host)
}
