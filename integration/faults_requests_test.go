package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
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

// starter is an agent whose workflow starts an activity of another one by its name,
// with any bytes at all.
type starter struct {
	agent.Base
	call agent.Workflow[activityCall, json.RawMessage]
}

type activityCall struct {
	Name  string `json:"name"`
	Queue string `json:"queue"`
	Body  string `json:"body"`
}

func newStarter(queue string) *starter {
	d := agent.Domain{Name: "starter", TaskQueue: queue}
	return &starter{d.Base(), agent.NewWorkflow[activityCall, json.RawMessage](d, "StartActivity")}
}

func (s *starter) Activities() []agent.Binding { return nil }

func (s *starter) Workflows() []agent.Binding {
	return agent.Bind(s.call.To(func(ctx workflow.Context, in activityCall) (out json.RawMessage, err error) {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			TaskQueue: in.Queue, StartToCloseTimeout: patience, HeartbeatTimeout: patience, RetryPolicy: retry.GPU(),
		})
		return out, workflow.ExecuteActivity(ctx, in.Name, converter.NewRawValue(jsonPayload(in.Body))).Get(ctx, &out)
	}))
}

// spoil gives a field of the object, or of one in it, a value that it should not
// have. The object is of the type, in JSON.
func spoil(r *rand.Rand, object map[string]any, of reflect.Type, value func() any) {
	fields := slices.DeleteFunc(reflect.VisibleFields(of), func(f reflect.StructField) bool { return f.Anonymous || !f.IsExported() })
	f := fields[r.IntN(len(fields))]
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	inner := f.Type
	if inner.Kind() == reflect.Pointer {
		inner = inner.Elem()
	}
	if inner.Kind() != reflect.Struct || r.IntN(3) == 0 {
		object[name] = value()
		return
	}
	within, ok := object[name].(map[string]any)
	if !ok {
		within = map[string]any{}
		object[name] = within
	}
	spoil(r, within, inner, value)
}

// A thousand requests that a fuzzer made up, to workflows and to activities: each is
// answered with a result or with an error of a class, at once, and the worker stays up.
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
	activities := newStarter("requests-starter-tasks")
	require.NoError(t, reg.Register(activities))
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))
	c := clientTo(t, hostPort)
	ctx := within(t, faultPatience(often(2, 20)))
	analyses := api.NewClient(c, api.TemporalConfig{TaskQueue: "requests-tasks"})
	// A request may ask for them, and would wait for somebody to make them.
	require.NoError(t, analyses.AddSearchAttributes(ctx))

	// A request starts as a good one, of which some fields are then spoilt.
	type sample struct {
		of   any
		good func() map[string]any
	}
	of := func(what map[string]any) func() map[string]any {
		return func() map[string]any { return maps.Clone(what) }
	}
	annotation := of(map[string]any{"expression_data": cells, "no_report": true})
	integration := of(map[string]any{"expression_data": cells, "batch_key": "bulk_labels"})
	embedding, genes := of(map[string]any{"expression_data": cells}), of(map[string]any{"genes": []any{"CD3D"}})
	planning := of(map[string]any{"task": api.TaskAnnotate, "expression_data": cells, "out": filepath.Join(dir, "planned.h5ad")})
	samples := map[string]sample{
		api.Analysis.Name():      {api.AnalysisWorkflowRequest{}, annotation},
		api.Annotation.Name():    {api.AnnotationRequest{}, annotation},
		api.Integration.Name():   {api.BatchIntegrationRequest{}, integration},
		api.CellEmbedding.Name(): {api.CellEmbeddingRequest{}, embedding},
		api.GeneEmbedding.Name(): {api.EmbeddingRequest{}, genes},

		api.PlanCells.Name():         {api.PlanRequest{}, planning},
		api.AnnotateCellTypes.Name(): {api.AnnotationRequest{}, annotation},
		api.EmbedCells.Name():        {api.CellEmbeddingRequest{}, embedding},
		api.IntegrateBatches.Name():  {api.BatchIntegrationRequest{}, integration},
		api.GetGeneEmbeddings.Name(): {api.EmbeddingRequest{}, genes},
		api.ClusterCells.Name():      {api.ClusterRequest{}, of(map[string]any{"annotated": cells})},
		api.NameCells.Name(): {api.NameCellsRequest{}, of(map[string]any{
			"annotated": cells, "assignments": cells, "clusters": []any{map[string]any{"id": "0", "name": "T"}},
		})},
	}
	// These two take a plan, and so get a real one.
	body, err := json.Marshal(planning())
	require.NoError(t, err)
	planned, err := activities.call.Start(ctx, c, activityCall{api.PlanCells.Name(), "requests-tasks", string(body)})
	require.NoError(t, err)
	plan, err := planned.Get(ctx)
	require.NoError(t, err)
	realPlan := func() (p map[string]any) {
		require.NoError(t, json.Unmarshal(plan, &p))
		return p
	}
	samples[api.EmbedShard.Name()] = sample{api.ShardRequest{}, func() map[string]any { return map[string]any{"plan": realPlan(), "index": 0} }}
	samples[api.DiscardShards.Name()] = sample{api.Plan{}, realPlan}
	types := slices.Sorted(maps.Keys(samples))
	type made struct{ kind, body string }
	var requests []made
	for len(requests) < n {
		kind := types[r.IntN(len(types))]
		req := samples[kind].good()
		for range 1 + r.IntN(2) {
			spoil(r, req, reflect.TypeOf(samples[kind].of), func() any { return absurd(r, dir, cells) })
		}
		if r.IntN(20) == 0 {
			req["no such field"] = absurd(r, dir, cells)
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
				kind, queue, in := q.kind, "requests-tasks", any(converter.NewRawValue(jsonPayload(q.body)))
				if !strings.HasSuffix(q.kind, "Workflow") {
					kind, queue, in = activities.call.Name(), activities.TaskQueue(), activityCall{q.kind, queue, q.body}
				}
				class := answerTo(t, c, queue, kind, in)
				if !strings.HasPrefix(class, "ok") && !strings.HasSuffix(class, "Error") {
					class = fmt.Sprintf("%s: %.300s: %s", q.kind, q.body, class)
				}
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

// answerTo starts a workflow and returns the class of its answer.
func answerTo(t *testing.T, c client.Client, queue, kind string, in any) string {
	started, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: queue, WorkflowExecutionTimeout: 2 * patience}, kind, in)
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
			return fmt.Sprintf("%s of %d bytes", application.Type(), len(application.Message()))
		}
		for _, n := range attempts(t, c, started.GetID()) {
			if n > 1 {
				return application.Type() + " that was tried again"
			}
		}
		return application.Type()
	default:
		return err.Error()
	}
}
