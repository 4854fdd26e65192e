package scgpt

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// analysis is ScGPTAnalysisWorkflow: label the cells, integrate batches and name
// clusters where that is asked for, look the marker genes up.
func analysis(ctx workflow.Context, req api.AnalysisWorkflowRequest) (res api.AnalysisWorkflowResult, err error) {
	r, err := newCellRun(ctx, req.ExpressionData, req.ShardOptions, req.NoMemo, req.Resume)
	if err != nil {
		return res, err
	}
	r.attributes = req.SearchAttributes
	if err := r.plan(ctx, api.PlanRequest{
		Task: api.TaskAnnotate, ExpressionData: req.ExpressionData, ReferenceDataset: req.ReferenceDataset,
		Model: req.Model, Out: req.Out, Cells: req.Cells, Neighbors: req.Labels.Neighbors,
		BatchKey: req.BatchKey, NHVG: req.NHVG, Flavor: req.Flavor, BaselineData: req.BaselineData, Genes: req.Genes,
	}); err != nil {
		return res, err
	}
	defer r.finish(ctx, &err)
	if again, err := r.embed(ctx); err != nil {
		return res, err
	} else if again {
		req.Resume = &r.state
		return res, api.Analysis.ContinueAsNew(ctx, req)
	}
	plan := r.state.Plan
	if res.Annotation, err = r.annotate(ctx, api.AnnotationRequest{
		ExpressionData: plan.ExpressionData, ReferenceDataset: req.ReferenceDataset, Model: plan.Model, Out: plan.Out,
		Cells: req.Cells, Labels: req.Labels, Genes: req.Genes, NoMemo: req.NoMemo, ReportOptions: req.ReportOptions, Plan: r.planned(),
	}); err != nil {
		return res, err
	}
	if req.NameClusters {
		if res.Clusters, err = r.nameClusters(ctx, req, res.Annotation); err != nil {
			return res, err
		}
	}
	if req.BatchKey != "" {
		if res.Integration, err = r.integrate(ctx, req); err != nil {
			return res, err
		}
	}
	r.enter(ctx, api.PhaseGenes)
	res.GeneEmbeddings, err = api.GetGeneEmbeddings.Execute(ctx,
		api.EmbeddingRequest{Genes: req.Genes, Model: plan.Model, Out: beside(plan.Out, ".genes.h5ad"), NoMemo: req.NoMemo},
		agent.Summary("vectors of marker genes"))
	if err != nil {
		return res, err
	}
	r.enter(ctx, api.PhaseDone)
	res.Status = api.StatusComplete
	res.Metadata = api.AnalysisMetadata{
		WorkflowID:   workflow.GetInfo(ctx).WorkflowExecution.ID,
		Model:        plan.Model,
		Fingerprint:  plan.Fingerprint,
		Device:       res.Annotation.Device,
		Precision:    res.Annotation.Precision,
		Accelerator:  res.Annotation.Accelerator,
		Seconds:      workflow.Now(ctx).Sub(time.UnixMilli(r.state.Started)).Seconds(),
		Shards:       max(plan.Shards(), 1),
		ShardsReused: r.state.Reused,
		FromMemo:     res.Annotation.FromMemo && (res.GeneEmbeddings.FromMemo || len(res.GeneEmbeddings.Genes) == 0),
		Version:      Version,
	}
	return res, nil
}

// beside is the path of another file that belongs to an output.
func beside(out, suffix string) string { return strings.TrimSuffix(out, ".h5ad") + suffix }

// annotate labels the cells, whose embeddings are there if there are shards.
func (r *cellRun) annotate(ctx workflow.Context, req api.AnnotationRequest) (api.AnnotationResponse, error) {
	r.enter(ctx, api.PhaseAnnotating)
	res, err := api.AnnotateCellTypes.Execute(ctx, req, r.finishTimeout(), agent.Summary(fmt.Sprintf("label %d cells", r.state.Plan.NObs)))
	if err != nil {
		return res, err
	}
	r.allDone()
	r.found(res)
	res.BatchTokens = r.batchTokens(res.BatchTokens)
	return res, nil
}

// integrate runs the integration of an analysis as a workflow of its own, which
// has shards of its own.
func (r *cellRun) integrate(ctx workflow.Context, req api.AnalysisWorkflowRequest) (*api.BatchIntegrationResponse, error) {
	r.enter(ctx, api.PhaseIntegrating)
	plan := r.state.Plan
	res, err := api.Integration.Execute(ctx, api.BatchIntegrationRequest{
		ExpressionData: plan.ExpressionData, BatchKey: req.BatchKey, NHVG: req.NHVG, Flavor: req.Flavor, Model: plan.Model,
		Out: beside(plan.Out, integratedSuffix), Cells: req.Cells, NoMemo: req.NoMemo, ShardOptions: req.ShardOptions,
	}, asChild(workflow.GetInfo(ctx).WorkflowExecution.ID+"-integration", "integrate batches"))
	if err != nil {
		return nil, err
	}
	return &res, nil
}

// asChild names a child workflow, and has its parent wait for it when both are
// cancelled.
func asChild(id, summary string) agent.ChildOption {
	return func(o *workflow.ChildWorkflowOptions) {
		o.WorkflowID, o.WaitForCancellation = id, true
		o.StaticSummary = summary
	}
}

// annotation is ScGPTAnnotationWorkflow.
func annotation(ctx workflow.Context, req api.AnnotationRequest) (res api.AnnotationResponse, err error) {
	r, err := newCellRun(ctx, req.ExpressionData, req.ShardOptions, req.NoMemo, req.Resume)
	if err != nil {
		return res, err
	}
	if err := r.plan(ctx, api.PlanRequest{
		Task: api.TaskAnnotate, ExpressionData: req.ExpressionData, ReferenceDataset: req.ReferenceDataset,
		Model: req.Model, Out: req.Out, Cells: req.Cells, Neighbors: req.Labels.Neighbors, BaselineData: req.BaselineData,
	}); err != nil {
		return res, err
	}
	defer r.finish(ctx, &err)
	if again, err := r.embed(ctx); err != nil {
		return res, err
	} else if again {
		req.Resume = &r.state
		return res, api.Annotation.ContinueAsNew(ctx, req)
	}
	req.ExpressionData, req.Model, req.Out, req.Plan, req.Resume = r.state.Plan.ExpressionData, r.state.Plan.Model, r.state.Plan.Out, r.planned(), nil
	if res, err = r.annotate(ctx, req); err != nil {
		return res, err
	}
	r.enter(ctx, api.PhaseDone)
	return res, nil
}

// cellEmbedding is ScGPTCellEmbeddingWorkflow.
func cellEmbedding(ctx workflow.Context, req api.CellEmbeddingRequest) (res api.CellEmbeddingResponse, err error) {
	r, err := newCellRun(ctx, req.ExpressionData, req.ShardOptions, req.NoMemo, req.Resume)
	if err != nil {
		return res, err
	}
	if err := r.plan(ctx, api.PlanRequest{
		Task: api.TaskEmbed, ExpressionData: req.ExpressionData, Model: req.Model, Out: req.Out, Cells: req.Cells,
	}); err != nil {
		return res, err
	}
	defer r.finish(ctx, &err)
	if again, err := r.embed(ctx); err != nil {
		return res, err
	} else if again {
		req.Resume = &r.state
		return res, api.CellEmbedding.ContinueAsNew(ctx, req)
	}
	r.enter(ctx, api.PhaseWriting)
	req.ExpressionData, req.Model, req.Out, req.Plan, req.Resume = r.state.Plan.ExpressionData, r.state.Plan.Model, r.state.Plan.Out, r.planned(), nil
	res, err = api.EmbedCells.Execute(ctx, req, r.finishTimeout(), agent.Summary(fmt.Sprintf("embed %d cells", r.state.Plan.NObs)))
	if err != nil {
		return res, err
	}
	r.allDone()
	res.BatchTokens = r.batchTokens(res.BatchTokens)
	r.enter(ctx, api.PhaseDone)
	return res, nil
}

// integration is ScGPTIntegrationWorkflow.
func integration(ctx workflow.Context, req api.BatchIntegrationRequest) (res api.BatchIntegrationResponse, err error) {
	req.BatchKey = cmp.Or(req.BatchKey, api.DefaultBatchKey)
	r, err := newCellRun(ctx, req.ExpressionData, req.ShardOptions, req.NoMemo, req.Resume)
	if err != nil {
		return res, err
	}
	if err := r.plan(ctx, api.PlanRequest{
		Task: api.TaskIntegrate, ExpressionData: req.ExpressionData, Model: req.Model, Out: req.Out, Cells: req.Cells,
		BatchKey: req.BatchKey, NHVG: req.NHVG, Flavor: req.Flavor,
	}); err != nil {
		return res, err
	}
	defer r.finish(ctx, &err)
	if again, err := r.embed(ctx); err != nil {
		return res, err
	} else if again {
		req.Resume = &r.state
		return res, api.Integration.ContinueAsNew(ctx, req)
	}
	r.enter(ctx, api.PhaseIntegrating)
	req.ExpressionData, req.Model, req.Out, req.Plan, req.Resume = r.state.Plan.ExpressionData, r.state.Plan.Model, r.state.Plan.Out, r.planned(), nil
	res, err = api.IntegrateBatches.Execute(ctx, req, r.finishTimeout(), agent.Summary(fmt.Sprintf("integrate %d cells by %s", r.state.Plan.NObs, req.BatchKey)))
	if err != nil {
		return res, err
	}
	r.allDone()
	res.BatchTokens = r.batchTokens(res.BatchTokens)
	r.enter(ctx, api.PhaseDone)
	return res, nil
}

// geneEmbedding is ScGPTGeneEmbeddingWorkflow.
func geneEmbedding(ctx workflow.Context, req api.EmbeddingRequest) (api.EmbeddingResponse, error) {
	p := &api.Progress{Phase: api.PhaseGenes}
	if err := answerQueries(ctx, p); err != nil {
		return api.EmbeddingResponse{}, err
	}
	res, err := api.GetGeneEmbeddings.Execute(ctx, req, agent.Summary("vectors of genes"))
	if err == nil {
		p.Phase = api.PhaseDone
	}
	return res, err
}
