package foogpt_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/agent/agenttest"
	"github.com/seed-ab6af24b/troupe/foogpt"
	"github.com/seed-ab6af24b/troupe/foogpt/api"
	"github.com/seed-ab6af24b/troupe/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWorkflow(t *testing.T) {
	t.Parallel()
	result, err := agenttest.Run(environment(t, foogpt.Options{}), api.Naming, api.NameClustersRequest{
		Tissue: "blood",
		Clusters: []api.Cluster{
			{ID: "second", Genes: []string{"Nkg7", "gnly", "KLRD1"}},
			{ID: "first", Genes: []string{"CD79A", "MS4A1"}},
			{ID: "none", Genes: []string{"ACTB"}},
		},
	})
	require.NoError(t, err)
	require.Equal(t, "complete", result.Status)
	require.Equal(t, "markers", result.Method)
	require.Len(t, result.Names, 3)
	require.Equal(t, "NK cell", result.Names[0].Name)
	require.Equal(t, []string{"NKG7", "GNLY", "KLRD1"}, result.Names[0].Evidence)
	require.Contains(t, result.Names[0].Source, "Hao et al. 2021")
	require.Equal(t, "B cell", result.Names[1].Name)
	require.Equal(t, api.ClusterName{ID: "none", Name: "unknown", Evidence: []string{}}, result.Names[2])
}

// The largest request that its own check lets pass has a result that can be
// stored.
func TestLargestResult(t *testing.T) {
	t.Parallel()
	req := api.NameClustersRequest{Clusters: make([]api.Cluster, api.MaxClusters)}
	for i := range req.Clusters {
		id := strconv.Itoa(i)
		for len(id) < api.MaxNameBytes {
			id += "x"
		}
		req.Clusters[i] = api.Cluster{ID: id, Genes: []string{
			"HLA-DRA", "HLA-DPA1", "HLA-DPB1", "HLA-DQA1", "FCER1A", "CLEC10A", "CD1C", "CLEC9A", "CST3"}}
	}
	result, err := agenttest.Run(environment(t, foogpt.Options{}), api.Naming, req)
	require.NoError(t, err)
	require.Len(t, result.Names, api.MaxClusters)
}

func TestNotStarted(t *testing.T) {
	t.Parallel()
	_, err := agenttest.RunActivity(agenttest.NewEnvironment(t, foogpt.New()), api.NameClusters, oneCluster)
	require.ErrorContains(t, err, "its Start was not called")
}

// Workflows that run while the worker is replaced go on with the new code: it
// must do what the recorded one did. Record the history of a change that is
// meant (agenttest.Record, or temporal workflow show --output json) and keep the
// old ones.
func TestReplay(t *testing.T) {
	t.Parallel()
	agenttest.Replay(t, "../testdata/histories", foogpt.New())
}

func TestConformance(t *testing.T) {
	t.Parallel()
	agenttest.Conformance(t, func() agent.Agent { return foogpt.New() })
}

// A bad request is final, at the workflow and at the activity.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, json, want string }{
		{"not JSON", `{"clusters":`, "the JSON ends too early"},
		{"wrong type", `{"clusters": {"0": ["CD3D"]}}`, "cannot unmarshal object"},
		{"nothing", `null`, "is missing"},
		{"no clusters", `{"clusters": []}`, "clusters is empty"},
		{"id twice", `{"clusters": [{"id":"0","genes":["A"]},{"id":"0","genes":["B"]}]}`, `clusters[1].id = "0"`},
		{"tissue", `{"clusters": [{"id":"0","genes":["A"]}], "tissue": "knee"}`,
			`tissue = "knee", but the markers are of blood, bone marrow, lung, liver; leave it empty`},
	} {
		raw := converter.NewRawValue(&commonpb.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(converter.MetadataEncodingJSON)},
			Data:     []byte(c.json),
		})
		check := func(t *testing.T, err error) {
			t.Helper()
			class, _ := retry.ClassOf(err)
			require.Equal(t, retry.InvalidData, class)
			require.Contains(t, retry.Message(err), c.want)
			var app *temporal.ApplicationError
			require.ErrorAs(t, err, &app)
			require.True(t, app.NonRetryable())
		}
		t.Run("workflow/"+c.name, func(t *testing.T) {
			t.Parallel()
			env := environment(t, foogpt.Options{})
			env.ExecuteWorkflow(api.Naming.Name(), raw)
			check(t, env.GetWorkflowError())
		})
		t.Run("activity/"+c.name, func(t *testing.T) {
			t.Parallel()
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{retry.Interceptor()}})
			agent.RegisterActivities(env, agenttest.Start(t, foogpt.New()))
			_, err := env.ExecuteActivity(api.NameClusters.Name(), raw)
			check(t, err)
		})
	}
}
