package scgpt

import (
	"context"
	"path/filepath"
	"strings"

	"go.temporal.io/sdk/activity"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

// planCells is the activity plan_cells: it opens file and model, so that what
// is wrong with them is said before any work, and cuts the cells into shards.
func (a *Agent) planCells(ctx context.Context, req api.PlanRequest) (api.Plan, error) {
	stop := agent.KeepAlive(ctx, func() api.Beat { return api.Beat{} })
	defer stop()
	eng, err := a.model(req.Model)
	if err != nil {
		return api.Plan{}, err
	}
	in, err := a.roots.Input(req.ExpressionData)
	if err != nil {
		return api.Plan{}, err
	}
	if err := eng.CanLabel(); err != nil {
		return api.Plan{}, err
	}
	cells, err := eng.Open(in, engineOptions(engine.Annotate, req.Cells))
	if err != nil {
		return api.Plan{}, err
	}
	defer cells.Close()
	if _, err := cells.Truth(req.Cells.LabelColumn); err != nil {
		return api.Plan{}, err
	}
	out, err := a.outputPath(req.Out, annotatedName(in))
	if err != nil {
		return api.Plan{}, err
	}
	if out == in {
		return api.Plan{}, sameFile(req.ExpressionData)
	}
	if err := storage.CheckWritable(out); err != nil {
		return api.Plan{}, err
	}
	sum, err := a.inputs.sum(ctx, in)
	if err != nil {
		return api.Plan{}, err
	}
	shardCells, err := a.shardCells(ctx, eng, cells, req.ShardCells)
	if err != nil {
		return api.Plan{}, err
	}
	return api.Plan{
		ExpressionData: in,
		Model:          eng.Name(),
		Out:            out,
		Cells:          req.Cells,
		NObs:           cells.Len(),
		ShardCells:     shardCells,
		GeneMatch:      geneMatch(cells),
		Input:          sum,
		Fingerprint:    eng.Fingerprint(),
		ShardDir:       filepath.Join(out+shardsSuffix, activity.GetInfo(ctx).WorkflowExecution.ID),
	}, nil
}

func sameFile(path string) error {
	return retry.InvalidData.Errorf("%s: out is the input itself: choose another path", path)
}

// annotatedName is the name of the annotated copy of a file.
func annotatedName(in string) string {
	return strings.TrimSuffix(filepath.Base(in), ".h5ad") + ".annotated.h5ad"
}

// model returns the model of a request.
func (a *Agent) model(name string) (*engine.Engine, error) { return a.models.get(name) }

func engineOptions(task engine.Task, o api.CellOptions) engine.Options {
	return engine.Options{
		Task: task, Layer: o.Layer, GeneColumn: o.GeneColumn, MaxLength: o.MaxLength,
		Cap: o.Cap, Ties: o.Ties, Seed: o.Seed, MinGeneShare: o.MinGeneShare,
	}
}

func geneMatch(cells *engine.Cells) api.GeneMatch {
	g := cells.GeneMatch()
	match := api.GeneMatch{
		Total: g.Total, Matched: g.Matched, Share: g.Share,
		UnmatchedCount: g.UnmatchedCount, Unmatched: g.Unmatched[:min(len(g.Unmatched), maxListedGenes)],
		DuplicateCount: g.DuplicateCount, MappedFromSymbols: g.MappedFromSymbols,
	}
	for _, d := range g.Duplicates[:min(len(g.Duplicates), maxListedGenes)] {
		match.Duplicates = append(match.Duplicates, d.Gene)
	}
	return match
}

// maxListedGenes bounds the lists of genes in a response.
const maxListedGenes = 20
