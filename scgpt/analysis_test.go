package scgpt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// scripted is an agent with the real workflow over activities that a test
// scripts and counts.
type scripted struct {
	agent.Base
	plan     api.Plan
	planErr  error
	shardErr map[int]error

	mu        sync.Mutex
	shards    []int
	running   int
	most      int
	annotated []api.AnnotationRequest
	discarded int
}

func (s *scripted) Workflows() []agent.Binding { return agent.Bind(api.Analysis.To(analysis)) }

func (s *scripted) Activities() []agent.Binding {
	return agent.Bind(
		api.PlanCells.To(func(context.Context, api.PlanRequest) (api.Plan, error) { return s.plan, s.planErr }),
		api.EmbedShard.To(s.embed),
		api.AnnotateCellTypes.To(func(_ context.Context, r api.AnnotationRequest) (api.AnnotationResponse, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.annotated = append(s.annotated, r)
			return api.AnnotationResponse{Device: "cpu/x/fp32", Precision: "fp32", Out: r.Out}, nil
		}),
		api.DiscardShards.To(func(context.Context, api.Plan) (api.Discarded, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.discarded++
			return api.Discarded{}, nil
		}),
		api.GetGeneEmbeddings.To(func(_ context.Context, r api.EmbeddingRequest) (api.EmbeddingResponse, error) {
			return api.EmbeddingResponse{Genes: r.Genes, Model: r.Model}, nil
		}),
	)
}

func (s *scripted) embed(ctx context.Context, r api.ShardRequest) (api.Shard, error) {
	s.mu.Lock()
	s.shards = append(s.shards, r.Index)
	s.running++
	s.most = max(s.most, s.running)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.running--
		s.mu.Unlock()
	}()
	if err := s.shardErr[r.Index]; err != nil {
		return api.Shard{}, err
	}
	from, to := r.Plan.Range(r.Index)
	return api.Shard{Index: r.Index, Cells: to - from, DeviceClass: "cpu/x/fp32", Reused: r.Index%2 == 1}, nil
}

func environment(t *testing.T, s *scripted) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	s.Base = api.Domain.Base()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{retry.Interceptor()}})
	env.SetTestTimeout(time.Minute)
	agent.RegisterWorkflows(env, s)
	agent.RegisterActivities(env, s)
	return env
}

func planOf(cells, shardCells int) api.Plan {
	return api.Plan{Task: api.TaskAnnotate, ExpressionData: "/d/x.h5ad", Model: "m", Out: "/d/x.out.h5ad", NObs: cells, ShardCells: shardCells, Fingerprint: "f", ShardDir: "/d/x.out.h5ad.shards/id"}
}

func TestAnalysisOfOneShardLeavesTheWorkToAnnotate(t *testing.T) {
	s := &scripted{plan: planOf(200, 500)}
	env := environment(t, s)
	env.ExecuteWorkflow(api.Analysis.Name(), api.AnalysisWorkflowRequest{ExpressionData: "x.h5ad", Genes: []string{"CD3D"}})
	require.NoError(t, env.GetWorkflowError())
	var res api.AnalysisWorkflowResult
	require.NoError(t, env.GetWorkflowResult(&res))
	require.Equal(t, api.StatusComplete, res.Status)
	require.Equal(t, []string{"CD3D"}, res.GeneEmbeddings.Genes)
	require.Equal(t, 1, res.Metadata.Shards)
	require.Equal(t, "f", res.Metadata.Fingerprint)
	require.Empty(t, s.shards)
	require.Zero(t, s.discarded)
	require.Nil(t, s.annotated[0].Plan)
}

func TestAnalysisOfManyShards(t *testing.T) {
	s := &scripted{plan: planOf(95, 10)}
	env := environment(t, s)
	env.ExecuteWorkflow(api.Analysis.Name(), api.AnalysisWorkflowRequest{ExpressionData: "x.h5ad", ShardOptions: api.ShardOptions{MaxShardsInFlight: 3}})
	require.NoError(t, env.GetWorkflowError())
	var res api.AnalysisWorkflowResult
	require.NoError(t, env.GetWorkflowResult(&res))
	require.Equal(t, 10, res.Metadata.Shards)
	require.Equal(t, 5, res.Metadata.ShardsReused)
	slices.Sort(s.shards)
	require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, s.shards)
	require.LessOrEqual(t, s.most, 3, "no more in flight than asked for")
	require.Equal(t, &s.plan, s.annotated[0].Plan)
	require.Equal(t, 1, s.discarded, "the shard files go once the result is written")

	answer, err := env.QueryWorkflow(api.ProgressQuery.Name())
	require.NoError(t, err)
	var p api.Progress
	require.NoError(t, answer.Get(&p))
	require.Equal(t, api.Progress{Phase: api.PhaseDone, ShardsDone: 10, ShardsTotal: 10, CellsDone: 95, CellsTotal: 95, Estimate: &s.plan.Estimate}, p)
}

// An analysis of more than shardsPerRun shards continues as new, and takes up
// where it was.
func TestAnalysisContinuesAsNew(t *testing.T) {
	const shards = shardsPerRun + 3
	s := &scripted{plan: planOf(shards, 1)}
	env := environment(t, s)
	env.ExecuteWorkflow(api.Analysis.Name(), api.AnalysisWorkflowRequest{ExpressionData: "x.h5ad"})
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	require.Len(t, s.shards, shardsPerRun)
	require.Zero(t, s.discarded)

	var raw api.AnalysisWorkflowRequest
	require.NoError(t, decodeInput(next, &raw))
	require.Equal(t, shardsPerRun, raw.Resume.Done)
	require.Equal(t, s.plan, raw.Resume.Plan)

	again := &scripted{planErr: errors.New("planned twice")}
	env = environment(t, again)
	env.ExecuteWorkflow(api.Analysis.Name(), raw)
	require.NoError(t, env.GetWorkflowError())
	slices.Sort(again.shards)
	require.Equal(t, []int{shardsPerRun, shardsPerRun + 1, shardsPerRun + 2}, again.shards)
	require.Equal(t, 1, again.discarded)
	var res api.AnalysisWorkflowResult
	require.NoError(t, env.GetWorkflowResult(&res))
	require.Equal(t, shards, res.Metadata.Shards)
	require.Equal(t, shards/2, res.Metadata.ShardsReused)
}

func TestAnalysisFailures(t *testing.T) {
	t.Run("plan", func(t *testing.T) {
		s := &scripted{planErr: retry.ModelNotFound.Errorf("there is no model %q", "x")}
		env := environment(t, s)
		env.ExecuteWorkflow(api.Analysis.Name(), api.AnalysisWorkflowRequest{ExpressionData: "x.h5ad"})
		class, _ := retry.ClassOf(env.GetWorkflowError())
		require.Equal(t, retry.ModelNotFound, class)
		require.Zero(t, s.discarded)
	})
	t.Run("a shard for good", func(t *testing.T) {
		s := &scripted{plan: planOf(100, 10), shardErr: map[int]error{3: retry.InvalidData.Errorf("cell 31: NaN")}}
		env := environment(t, s)
		env.ExecuteWorkflow(api.Analysis.Name(), api.AnalysisWorkflowRequest{ExpressionData: "x.h5ad", ShardOptions: api.ShardOptions{MaxShardsInFlight: 2}})
		class, _ := retry.ClassOf(env.GetWorkflowError())
		require.Equal(t, retry.InvalidData, class)
		require.Empty(t, s.annotated)
		require.Equal(t, 1, s.discarded, "nothing is left behind")
		// How many have begun by then is up to the scheduler: two at a time, the other one may be quick.
		require.Less(t, len(s.shards), 100, "no more shards once one has failed")
	})
	t.Run("a shard that fails three times tells its story", func(t *testing.T) {
		s := &scripted{plan: planOf(20, 10), shardErr: map[int]error{1: errors.New("device lost")}}
		env := environment(t, s)
		env.ExecuteWorkflow(api.Analysis.Name(), api.AnalysisWorkflowRequest{ExpressionData: "x.h5ad"})
		require.ErrorContains(t, env.GetWorkflowError(), "device lost")
		require.Equal(t, 3, count(s.shards, 1))
	})
}

func TestRequestsThatMakeNoSense(t *testing.T) {
	cases := []struct {
		name string
		req  api.AnalysisWorkflowRequest
		want string
	}{
		{"no data", api.AnalysisWorkflowRequest{}, "expression_data is empty"},
		{"confidence", api.AnalysisWorkflowRequest{ExpressionData: "x", Labels: api.LabelOptions{MinConfidence: 1.5}}, "min_confidence is 1.5"},
		{"neighbours", api.AnalysisWorkflowRequest{ExpressionData: "x", Labels: api.LabelOptions{Neighbors: -1}}, "neighbors is -1"},
		{"genes without batches", api.AnalysisWorkflowRequest{ExpressionData: "x", NHVG: 3}, "name the column of the batches"},
		{"flavor without batches", api.AnalysisWorkflowRequest{ExpressionData: "x", Flavor: "seurat_v3"}, "flavor is for integration"},
		{"flavor", api.AnalysisWorkflowRequest{ExpressionData: "x", BatchKey: "b", Flavor: "vanilla"}, `flavor is "vanilla": want seurat_v3 or cell_ranger`},
		{"variable genes", api.AnalysisWorkflowRequest{ExpressionData: "x", BatchKey: "b", NHVG: 5000}, "n_hvg is 5000"},
		{"shards", api.AnalysisWorkflowRequest{ExpressionData: "x", ShardOptions: api.ShardOptions{ShardCells: -1}}, "shard_cells is -1"},
		{"in flight", api.AnalysisWorkflowRequest{ExpressionData: "x", ShardOptions: api.ShardOptions{MaxShardsInFlight: 1001}}, "want 0 to 1000"},
		{"cap", api.AnalysisWorkflowRequest{ExpressionData: "x", Cells: api.CellOptions{Cap: "odd"}}, `cap is "odd"`},
		{"ties", api.AnalysisWorkflowRequest{ExpressionData: "x", Cells: api.CellOptions{Ties: "odd"}}, `ties is "odd"`},
		{"length", api.AnalysisWorkflowRequest{ExpressionData: "x", Cells: api.CellOptions{MaxLength: 1}}, "max_length is 1"},
		{"share", api.AnalysisWorkflowRequest{ExpressionData: "x", Cells: api.CellOptions{MinGeneShare: 2}}, "min_gene_share is 2"},
		{"genes", api.AnalysisWorkflowRequest{ExpressionData: "x", Genes: []string{"A", ""}}, "genes[1] is empty"},
		{"too many genes", api.AnalysisWorkflowRequest{ExpressionData: "x", Genes: make([]string, api.MaxGenes+1)}, "at most 10000"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			env := environment(t, &scripted{})
			env.ExecuteWorkflow(api.Analysis.Name(), c.req)
			err := env.GetWorkflowError()
			class, _ := retry.ClassOf(err)
			require.Equal(t, retry.InvalidData, class)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func count(list []int, v int) (n int) {
	for _, x := range list {
		if x == v {
			n++
		}
	}
	return n
}

func decodeInput(e *workflow.ContinueAsNewError, v any) error {
	if n := len(e.Input.GetPayloads()); n != 1 {
		return fmt.Errorf("%d payloads", n)
	}
	return converter.GetDefaultDataConverter().FromPayload(e.Input.GetPayloads()[0], v)
}
