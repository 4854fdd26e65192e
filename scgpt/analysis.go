package scgpt

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

const (
	// shardsPerRun is how many shards one run of the workflow sees to before
	// it continues as new, so that histories stay small: some 7 events each.
	shardsPerRun = 1000
	// defaultInFlight keeps eight workers of two slots each busy.
	defaultInFlight = 16
)

// analysis is ScGPTAnalysisWorkflow: plan, embed the shards, annotate, look the
// marker genes up.
func analysis(ctx workflow.Context, req api.AnalysisWorkflowRequest) (api.AnalysisWorkflowResult, error) {
	a := &analysisRun{req: req, progress: api.Progress{Phase: api.PhasePlanning}}
	if err := api.ProgressQuery.Handle(ctx, func() (api.Progress, error) { return a.progress, nil }); err != nil {
		return api.AnalysisWorkflowResult{}, err
	}
	return a.run(ctx)
}

// analysisRun is the state of one run of the workflow.
type analysisRun struct {
	req      api.AnalysisWorkflowRequest
	state    api.Resume
	progress api.Progress
}

func (a *analysisRun) run(ctx workflow.Context) (res api.AnalysisWorkflowResult, err error) {
	if err := a.plan(ctx); err != nil {
		return res, err
	}
	plan := a.state.Plan
	annotation := api.AnnotationRequest{ExpressionData: plan.ExpressionData, Model: plan.Model, Out: plan.Out, Cells: plan.Cells}
	if plan.Shards() > 1 {
		defer func() {
			if isOver(err) {
				discard(ctx, plan)
			}
		}()
		a.enter(ctx, api.PhaseEmbedding)
		if err := a.embed(ctx); err != nil {
			return res, err
		}
		annotation.Plan = &plan
	}

	a.enter(ctx, api.PhaseAnnotating)
	res.Annotation, err = api.AnnotateCellTypes.Execute(ctx, annotation,
		agent.Summary(fmt.Sprintf("label %d cells", plan.NObs)))
	if err != nil {
		return res, err
	}
	a.progress.CellsDone, a.progress.ShardsDone = plan.NObs, plan.Shards()

	a.enter(ctx, api.PhaseGenes)
	res.GeneEmbeddings, err = api.GetGeneEmbeddings.Execute(ctx,
		api.EmbeddingRequest{Genes: a.req.Genes, Model: plan.Model, Out: genesPath(plan.Out)}, agent.Summary("vectors of marker genes"))
	if err != nil {
		return res, err
	}

	a.enter(ctx, api.PhaseDone)
	res.Status = api.StatusComplete
	res.Metadata = api.AnalysisMetadata{
		WorkflowID:   workflow.GetInfo(ctx).WorkflowExecution.ID,
		Model:        plan.Model,
		Fingerprint:  plan.Fingerprint,
		Device:       res.Annotation.Device,
		Precision:    res.Annotation.Precision,
		Seconds:      workflow.Now(ctx).Sub(time.UnixMilli(a.state.Started)).Seconds(),
		Shards:       max(plan.Shards(), 1),
		ShardsReused: a.state.Reused,
		Version:      Version,
	}
	return res, nil
}

// genesPath is where the vectors of many genes go, beside the annotated copy.
func genesPath(out string) string { return strings.TrimSuffix(out, ".h5ad") + ".genes.h5ad" }

// isOver reports whether nothing will need the shard files again: the analysis
// is done, it was cancelled, or its input is at fault. After any other failure
// (a full disk, a lost machine) they stay, and an analysis of the same file to
// the same output takes them over.
func isOver(err error) bool {
	if err == nil || temporal.IsCanceledError(err) {
		return true
	}
	class, ok := retry.ClassOf(err)
	return ok && class.Final()
}

// discard removes the shard files, also after a failure or a cancellation. That
// files stay behind is logged by Temporal and no reason to fail.
func discard(ctx workflow.Context, plan api.Plan) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	if _, err := api.DiscardShards.Execute(ctx, plan, agent.Summary("remove the shard files")); err != nil {
		workflow.GetLogger(ctx).Warn("shard files stay behind", "folder", plan.ShardDir, "error", err)
	}
}

// plan takes the plan of the run before, or makes one.
func (a *analysisRun) plan(ctx workflow.Context) error {
	if a.req.Resume != nil {
		a.state = *a.req.Resume
	} else {
		a.state.Started = workflow.Now(ctx).UnixMilli()
		a.enter(ctx, api.PhasePlanning)
		plan, err := api.PlanCells.Execute(ctx, api.PlanRequest{
			ExpressionData: a.req.ExpressionData, Model: a.req.Model, Out: a.req.Out,
			Cells: a.req.Cells, ShardCells: a.req.ShardCells,
		}, agent.Summary("plan "+a.req.ExpressionData))
		if err != nil {
			return err
		}
		a.state.Plan = plan
	}
	p := a.state.Plan
	a.progress.ShardsTotal, a.progress.CellsTotal = p.Shards(), p.NObs
	a.progress.ShardsDone = a.state.Done
	a.progress.CellsDone = min(a.state.Done*p.ShardCells, p.NObs)
	return nil
}

// embed sees to the shards that are left, a bounded number at a time, and
// continues as new after shardsPerRun of them.
func (a *analysisRun) embed(ctx workflow.Context) error {
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	plan := a.state.Plan
	last := min(a.state.Done+shardsPerRun, plan.Shards())
	next, pending := a.state.Done, 0
	inFlight := a.req.MaxShardsInFlight
	if inFlight == 0 {
		inFlight = defaultInFlight
	}
	selector := workflow.NewSelector(ctx)
	var failed error
	for pending > 0 || failed == nil && next < last {
		for ; failed == nil && next < last && pending < inFlight; next++ {
			from, to := plan.Range(next)
			future := api.EmbedShard.ExecuteAsync(ctx, api.ShardRequest{Plan: plan, Index: next},
				agent.Summary(fmt.Sprintf("cells %d to %d", from, to-1)))
			pending++
			selector.AddFuture(future.Future, func(workflow.Future) {
				pending--
				shard, err := future.Get(ctx)
				switch {
				case err == nil:
					a.shardDone(ctx, shard)
				case failed == nil:
					// The others stop before the run goes on to
					// remove what they wrote.
					failed = err
					cancel()
				}
			})
		}
		selector.Select(ctx)
	}
	if failed != nil {
		return failed
	}
	a.state.Done = last
	if last == plan.Shards() {
		return nil
	}
	req := a.req
	req.Resume = &a.state
	return api.Analysis.ContinueAsNew(ctx, req)
}

func (a *analysisRun) shardDone(ctx workflow.Context, s api.Shard) {
	a.progress.ShardsDone++
	a.progress.CellsDone += s.Cells
	if s.Reused {
		a.state.Reused++
	}
	if !slices.Contains(a.state.DeviceClasses, s.DeviceClass) {
		a.state.DeviceClasses = append(a.state.DeviceClasses, s.DeviceClass)
	}
	a.describe(ctx)
}

func (a *analysisRun) enter(ctx workflow.Context, phase string) {
	a.progress.Phase = phase
	a.describe(ctx)
}

// describe shows the run's state in the web UI, in Markdown.
func (a *analysisRun) describe(ctx workflow.Context) {
	details := fmt.Sprintf("**%s** `%s`", a.progress.Phase, a.req.ExpressionData)
	if p := a.progress; p.CellsTotal > 0 {
		details += fmt.Sprintf("\n\n%d of %d cells, %d of %d shards", p.CellsDone, p.CellsTotal, p.ShardsDone, p.ShardsTotal)
	}
	workflow.SetCurrentDetails(ctx, details)
}
