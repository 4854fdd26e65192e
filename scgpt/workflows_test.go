package scgpt_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/agent/agenttest"
	"github.com/seed-ab6af24b/troupe/foogpt"
	fooapi "github.com/seed-ab6af24b/troupe/foogpt/api"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

func TestConformance(t *testing.T) {
	dir := t.TempDir()
	agenttest.Conformance(t, func() agent.Agent {
		return scgpt.New(scgpt.Options{Models: testdata + "/models", DefaultModel: "tiny_scgpt", Roots: []string{dir}, Threads: 1})
	})
}

// Workflows that run while their worker is replaced go on with the new code: it
// must do what the recorded one did. Record the history of a change that is meant
// (TROUPE_RECORD=1 go test ./integration -run TestRecord) and keep the old ones.
func TestReplay(t *testing.T) {
	agenttest.Replay(t, testdata+"/histories", scgpt.New(scgpt.Options{}))
}

// An analysis that failed for its clusters, when it still did, fails on replay. Its
// history is that of one with everything, cut where the clusters come and ended as
// that of a missing file.
func TestReplayOfFailedClusters(t *testing.T) {
	read := func(name string) []map[string]any {
		text, err := os.ReadFile(filepath.Join(testdata, "histories", "scgpt", "ScGPTAnalysisWorkflow-"+name+".json"))
		require.NoError(t, err)
		var history struct{ Events []map[string]any }
		require.NoError(t, json.Unmarshal(text, &history))
		return history.Events
	}
	attributes := func(e map[string]any) map[string]any {
		for key, v := range e {
			if strings.HasSuffix(key, "Attributes") {
				return v.(map[string]any)
			}
		}
		return nil
	}
	all, missing := read("everything"), read("missing_file")
	ofType := func(events []map[string]any, kind string) int {
		return slices.IndexFunc(events, func(e map[string]any) bool { return e["eventType"] == "EVENT_TYPE_"+kind })
	}
	scheduled := func(activity string) int {
		return slices.IndexFunc(all, func(e map[string]any) bool {
			named, ok := attributes(e)["activityType"].(map[string]any)
			return ok && named["name"] == activity
		})
	}
	clusters, discard := scheduled("cluster_cells"), scheduled("discard_shards")
	failed := missing[ofType(missing, "ACTIVITY_TASK_FAILED")]
	attributes(failed)["scheduledEventId"], attributes(failed)["startedEventId"] = strconv.Itoa(clusters+1), strconv.Itoa(clusters+2)
	ended := missing[ofType(missing, "WORKFLOW_EXECUTION_FAILED")]
	attributes(ended)["workflowTaskCompletedEventId"] = all[len(all)-2]["eventId"]
	// Scheduled and started; failed; the workflow task after it; shards discarded.
	events := slices.Concat(all[:clusters+2], []map[string]any{failed}, all[clusters+3:clusters+6], all[discard:len(all)-1], []map[string]any{ended})
	// The events after the cut have other numbers, and other events are spoken of.
	moved := discard - (clusters + 6)
	for i, e := range events {
		e["eventId"] = strconv.Itoa(i + 1)
		for _, key := range []string{"scheduledEventId", "startedEventId", "workflowTaskCompletedEventId", "activityId"} {
			if n, err := strconv.Atoi(fmt.Sprint(attributes(e)[key])); err == nil && n >= discard {
				attributes(e)[key] = strconv.Itoa(n - moved)
			}
		}
	}
	dir := t.TempDir()
	text, err := json.Marshal(map[string]any{"events": events})
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "scgpt"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "scgpt", "ScGPTAnalysisWorkflow-failed_clusters.json"), text, 0o644))
	agenttest.Replay(t, dir, scgpt.New(scgpt.Options{}))
}

// unsure is a request that leaves all cells without a label.
func (w *workplace) unsure() api.AnalysisWorkflowRequest {
	return api.AnalysisWorkflowRequest{
		ExpressionData: w.cells, ReferenceDataset: "pbmc68k", Out: "x.h5ad", Genes: []string{"CD3D"},
		Labels: api.LabelOptions{Neighbors: 400, MinConfidence: 0.9}, NameClusters: true, Tissue: "blood", ReportOptions: noReport,
	}
}

func TestClustersAreNamedByFoogpt(t *testing.T) {
	w := newWorkplace(t)
	env := agenttest.NewEnvironment(t, w.agent, agenttest.Start(t, foogpt.New()))
	res, err := agenttest.Run(env, api.Analysis, w.unsure())
	require.NoError(t, err)
	require.Equal(t, api.StatusComplete, res.Status)
	c := res.Clusters
	require.Equal(t, 200, c.UnassignedCells)
	require.Equal(t, fooapi.MethodMarkers, c.Method)
	require.Empty(t, c.Problem)
	var names []string
	for _, k := range c.Clusters {
		require.NotEmpty(t, k.Name)
		names = append(names, k.Name)
	}
	require.Contains(t, names, "B cell")
	require.Equal(t, filepath.Join(w.dir, "x.clusters.csv"), c.Assignments)
	require.Contains(t, column(t, res.Annotation.Out, "troupe_cluster_name"), "B cell")
	w.requireFiles(t, "x.h5ad", "x.clusters.csv")
}

// One agent's trouble stays its own: without names, the analysis is complete and
// says why it has none.
func TestAnalysisWithoutFoogpt(t *testing.T) {
	for name, naming := range map[string]struct {
		f    func(workflow.Context, fooapi.NameClustersRequest) (fooapi.NamingWorkflowResult, error)
		want string
	}{
		"it fails": {func(workflow.Context, fooapi.NameClustersRequest) (fooapi.NamingWorkflowResult, error) {
			return fooapi.NamingWorkflowResult{}, retry.Authentication.Wrap(errors.New("the key was refused"))
		}, "the key was refused"},
		// The server ends it then, which the environment does not.
		"no worker answers": {func(ctx workflow.Context, _ fooapi.NameClustersRequest) (fooapi.NamingWorkflowResult, error) {
			if limit := workflow.GetInfo(ctx).WorkflowExecutionTimeout; limit != 5*time.Minute {
				return fooapi.NamingWorkflowResult{}, nil
			}
			return fooapi.NamingWorkflowResult{}, temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_START_TO_CLOSE, nil)
		}, "foogpt did not name the clusters: "},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkplace(t)
			env := agenttest.NewEnvironment(t, w.agent)
			agenttest.MockWorkflow(env, fooapi.Naming, naming.f)
			res, err := agenttest.Run(env, api.Analysis, w.unsure())
			require.NoError(t, err)
			require.Equal(t, api.StatusComplete, res.Status)
			require.Contains(t, res.Clusters.Problem, naming.want)
			require.NotEmpty(t, res.Clusters.Clusters)
			require.Empty(t, res.Clusters.Clusters[0].Name)
			require.Equal(t, []string{"CD3D"}, res.GeneEmbeddings.Genes)
		})
	}
}

// What goes wrong with the clusters themselves is told in the same place; only a
// cancellation ends the analysis.
func TestAnalysisWithoutClusters(t *testing.T) {
	full := retry.InvalidData.Wrap(errors.New("obsm is odd"))
	for name, c := range map[string]struct {
		mock     func(*agenttest.Environment)
		want     string
		clusters bool
	}{
		"none are found": {func(env *agenttest.Environment) {
			agenttest.Mock(env, api.ClusterCells).Fail(full)
		}, "the cells without a label were not clustered: obsm is odd", false},
		"names are not written": {func(env *agenttest.Environment) {
			agenttest.Mock(env, api.NameCells).Fail(full)
		}, "the names of clusters were not written to the annotated copy: obsm is odd", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkplace(t)
			env := agenttest.NewEnvironment(t, w.agent, agenttest.Start(t, foogpt.New()))
			c.mock(env)
			res, err := agenttest.Run(env, api.Analysis, w.unsure())
			require.NoError(t, err)
			require.Equal(t, api.StatusComplete, res.Status)
			require.Equal(t, c.want, res.Clusters.Problem)
			require.Equal(t, 200, res.Clusters.UnassignedCells)
			require.Equal(t, c.clusters, len(res.Clusters.Clusters) > 0)
			require.Equal(t, []string{"CD3D"}, res.GeneEmbeddings.Genes)
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		w := newWorkplace(t)
		env := agenttest.NewEnvironment(t, w.agent)
		agenttest.Mock(env, api.ClusterCells).Fail(temporal.NewCanceledError())
		_, err := agenttest.Run(env, api.Analysis, w.unsure())
		require.True(t, temporal.IsCanceledError(err), "%v", err)
	})
}

// Whoever meets a file reads all of it, whatever its size: in planning, when nobody
// knows that yet, and on every other worker in the first shard.
func TestTimeForLargeFiles(t *testing.T) {
	const cells = 4_000_000
	w := newWorkplace(t)
	env := agenttest.NewEnvironment(t, w.agent)
	limits := map[string]time.Duration{}
	note := func(ctx context.Context) {
		info := activity.GetInfo(ctx)
		limits[info.ActivityType.Name] = info.StartToCloseTimeout
	}
	plan := api.Plan{Task: api.TaskEmbed, NObs: cells, ShardCells: cells / 2, Input: "sum", ShardDir: w.dir}
	agenttest.Mock(env, api.PlanCells).Do(func(ctx context.Context, _ api.PlanRequest) (api.Plan, error) {
		note(ctx)
		return plan, nil
	})
	agenttest.Mock(env, api.EmbedShard).Do(func(ctx context.Context, _ api.ShardRequest) (api.Shard, error) {
		note(ctx)
		return api.Shard{}, retry.InvalidData.Wrap(errors.New("enough"))
	})
	agenttest.Mock(env, api.DiscardShards).Return(api.Discarded{})
	_, err := agenttest.Run(env, api.CellEmbedding, api.CellEmbeddingRequest{ExpressionData: w.cells, ShardOptions: api.ShardOptions{MaxShardsInFlight: 1}})
	require.ErrorContains(t, err, "enough")
	require.Equal(t, map[string]time.Duration{
		api.PlanCells.Name():  12 * time.Hour,
		api.EmbedShard.Name(): 10*time.Minute + cells*10*time.Millisecond,
	}, limits)
}

// mouse copies the sample model, with the markers of blood in its vocabulary spelt as
// those of mice are.
func mouse(t *testing.T) string {
	t.Helper()
	models := modelsIn(t, "mouse")
	path := filepath.Join(models, "mouse", "vocab.json")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	vocab := map[string]int{}
	require.NoError(t, json.Unmarshal(text, &vocab))
	for _, g := range api.CommonMarkers() {
		if id, ok := vocab[g]; ok {
			delete(vocab, g)
			vocab[g[:1]+strings.ToLower(g[1:])] = id
		}
	}
	text, err = json.Marshal(vocab)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o644))
	return models
}

// That a model knows none of the usual markers is no fault of the request; that it
// knows none of the genes that one names is said before any work.
func TestAnalysisOfGenesThatTheModelLacks(t *testing.T) {
	models := mouse(t)
	workplace := func(t *testing.T) *workplace {
		return newWorkplace(t, func(o *scgpt.Options) { o.Models, o.DefaultModel = models, "mouse" })
	}
	t.Run("none named", func(t *testing.T) {
		w := workplace(t)
		req := api.AnalysisWorkflowRequest{ExpressionData: w.cells, Out: "x.h5ad", ReportOptions: noReport}
		for _, again := range []bool{false, true} {
			res, err := agenttest.Run(agenttest.NewEnvironment(t, w.agent), api.Analysis, req)
			require.NoError(t, err)
			require.Equal(t, api.StatusComplete, res.Status)
			require.Equal(t, []string{}, res.GeneEmbeddings.Genes)
			require.Equal(t, api.CommonMarkers(), res.GeneEmbeddings.Missing)
			require.Empty(t, res.GeneEmbeddings.Vectors)
			require.Equal(t, again, res.Metadata.FromMemo)
		}
		w.requireFiles(t, "x.h5ad")
	})
	t.Run("one known", func(t *testing.T) {
		w := workplace(t)
		res, err := agenttest.Run(agenttest.NewEnvironment(t, w.agent), api.Analysis,
			api.AnalysisWorkflowRequest{ExpressionData: w.cells, Out: "x.h5ad", ReportOptions: noReport, Genes: []string{"CD3D", "Cd3d"}})
		require.NoError(t, err)
		require.Equal(t, []string{"Cd3d"}, res.GeneEmbeddings.Genes)
		require.Equal(t, []string{"CD3D"}, res.GeneEmbeddings.Missing)
	})
	t.Run("none known", func(t *testing.T) {
		w := workplace(t)
		env := agenttest.NewEnvironment(t, w.agent)
		labelled := agenttest.Mock(env, api.AnnotateCellTypes)
		_, err := agenttest.Run(env, api.Analysis,
			api.AnalysisWorkflowRequest{ExpressionData: w.cells, Out: "x.h5ad", Genes: []string{"CD3D", "LYZ"}})
		require.ErrorContains(t, err, `none of the 2 genes asked for is in the vocabulary, "CD3D" the first`)
		requireClass(t, retry.InvalidData, err)
		require.Empty(t, labelled.Calls())
		w.requireFiles(t)
	})
}
