package scgpt

import (
	"cmp"
	"context"
	"path/filepath"

	"go.temporal.io/sdk/activity"

	"github.com/seed-ab6af24b/troupe/agent/memo"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
)

// suffixes of the outputs of the tasks.
var suffixes = map[string]string{
	api.TaskAnnotate:  annotatedSuffix,
	api.TaskEmbed:     embeddedSuffix,
	api.TaskIntegrate: integratedSuffix,
}

// planCells is the activity plan_cells: it opens file and model, so that what
// is wrong with them is said before any work, and cuts the cells into shards.
func (a *Agent) planCells(ctx context.Context, req api.PlanRequest) (api.Plan, error) {
	b := newBeats(ctx)
	defer b.stop()
	if req.Task == api.TaskIntegrate {
		req.BatchKey = cmp.Or(req.BatchKey, api.DefaultBatchKey)
	}
	j, err := a.resolve(ctx, query{
		task: req.Task, data: req.ExpressionData, model: req.Model, reference: req.ReferenceDataset,
		out: req.Out, suffix: suffixes[req.Task], cells: req.Cells, neighbors: req.Neighbors, batchKey: req.BatchKey,
		planning: true,
	})
	if err != nil {
		return api.Plan{}, err
	}
	if err := j.eng.CheckGenes(req.Genes); err != nil {
		return api.Plan{}, err
	}
	a.sweepBeside(ctx, j.out)
	cells, err := j.eng.Open(j.in, j.opts)
	if err != nil {
		return api.Plan{}, err
	}
	defer cells.Close()
	if req.Task == api.TaskIntegrate {
		if err := cells.CheckBatches(); err != nil {
			return api.Plan{}, err
		}
	}
	truth, err := cells.Truth(req.Cells.LabelColumn, j.types())
	if err != nil {
		return api.Plan{}, err
	}
	if err := a.checkBaseline(j, req.BaselineData, truth); err != nil {
		return api.Plan{}, err
	}
	if req.Task == api.TaskAnnotate && req.BatchKey != "" {
		if err := canIntegrate(ctx, j, req); err != nil {
			return api.Plan{}, err
		}
	}
	plan := api.Plan{
		Task:           string(j.opts.Task),
		ExpressionData: j.in,
		Model:          j.eng.Name(),
		Out:            j.out,
		Cells:          cellOptions(j.opts, req.Cells.LabelColumn),
		NObs:           cells.Len(),
		GeneMatch:      geneMatch(cells),
		Input:          j.sum,
		Fingerprint:    j.eng.Fingerprint(),
		ShardDir:       filepath.Join(j.out+shardsSuffix, activity.GetInfo(ctx).WorkflowExecution.ID),
	}
	if req.Task == api.TaskIntegrate {
		plan.BatchKey, plan.NHVG, plan.Flavor = req.BatchKey, req.NHVG, req.Flavor
	}
	perCell, err := tokensPerCell(ctx, cells, req)
	if err != nil {
		return api.Plan{}, err
	}
	if plan.ShardCells, err = a.plannedShardCells(ctx, j, perCell, req.ShardCells); err != nil {
		return api.Plan{}, err
	}
	plan.Estimate = a.estimate(j.eng, plan, perCell)
	if req.Task == api.TaskIntegrate && plan.Shards() > 1 {
		choice, err := cells.ChooseGenes(ctx, chooseOptions(req.NHVG, req.Flavor))
		if err != nil {
			return api.Plan{}, err
		}
		if plan.Genes, err = a.writeChoice(plan, choice); err != nil {
			return api.Plan{}, err
		}
	}
	return plan, nil
}

// plannedShardCells returns the number of cells of a shard. It is remembered: it
// depends on how fast the device was when this worker started, and a request that
// comes again finds its shards in the memo only if they are cut as they were.
func (a *Agent) plannedShardCells(ctx context.Context, j job, tokensPerCell float64, asked int) (int, error) {
	type params struct {
		Options engine.Options `json:"options"`
		Asked   int            `json:"asked"`
	}
	n, _, err := memo.Do(ctx, a.memo, j.key(api.PlanCells.Name(), j.eng.Class(), params{j.opts, asked}), nil,
		func(context.Context, []string) (int, error) { return a.shardCells(j.eng, tokensPerCell, asked), nil })
	if err != nil {
		return 0, err
	}
	// What another worker remembers may be too much for this one.
	return a.shardCells(j.eng, tokensPerCell, n), nil
}

// tokensPerCell returns the mean length of a cell.
func tokensPerCell(ctx context.Context, cells *engine.Cells, req api.PlanRequest) (float64, error) {
	if req.Task != api.TaskIntegrate {
		return cells.MeanTokens(ctx)
	}
	n := cmp.Or(req.NHVG, engine.DefaultChosenGenes)
	return float64(min(n, cells.GeneMatch().Matched) + 1), nil
}

// canIntegrate finds out early what would keep an analysis from integrating
// batches after it has labelled the cells.
func canIntegrate(ctx context.Context, j job, req api.PlanRequest) error {
	opts := j.opts
	opts.Task, opts.MaxLength, opts.BatchKey = engine.Integrate, 0, req.BatchKey
	cells, err := j.eng.Open(j.in, opts)
	if err != nil {
		return err
	}
	defer cells.Close()
	if err := cells.CheckBatches(); err != nil {
		return err
	}
	if req.Flavor != "" { // one that is not chosen by the values may not be for them
		_, err = cells.ChooseGenes(ctx, chooseOptions(req.NHVG, req.Flavor))
	}
	return err
}
