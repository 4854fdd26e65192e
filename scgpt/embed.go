package scgpt

import (
	"context"
	"time"

	"github.com/seed-ab6af24b/troupe/agent/memo"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

const embeddedSuffix = ".embedded.h5ad"

// embedCells is the activity embed_cells.
func (a *Agent) embedCells(ctx context.Context, req api.CellEmbeddingRequest) (api.CellEmbeddingResponse, error) {
	start := time.Now()
	b := newBeats(ctx)
	defer b.stop()
	j, err := a.resolve(ctx, query{
		task: api.TaskEmbed, data: req.ExpressionData, model: req.Model, out: req.Out, suffix: embeddedSuffix,
		cells: req.Cells, plan: req.Plan, noMemo: req.NoMemo,
	})
	if err != nil {
		return api.CellEmbeddingResponse{}, err
	}
	emb, err := a.stored(ctx, j, b)
	if err != nil {
		return api.CellEmbeddingResponse{}, err
	}
	device, store := j.memoOf(emb)
	res, hit, err := memo.Do(ctx, store, j.key(api.EmbedCells.Name(), device, j.opts), []string{j.out},
		func(ctx context.Context, files []string) (api.CellEmbeddingResponse, error) {
			return a.embed(ctx, j, emb, b, files[0])
		})
	if err != nil {
		return api.CellEmbeddingResponse{}, err
	}
	res.Out, res.FromMemo, res.Seconds = j.out, hit, time.Since(start).Seconds()
	res.Accelerator = a.accelerator()
	return res, nil
}

// embed writes a copy of the file with the embeddings. emb is nil where it has to
// be computed.
func (a *Agent) embed(ctx context.Context, j job, emb *embedding, b *beats, out string) (api.CellEmbeddingResponse, error) {
	var none api.CellEmbeddingResponse
	cells, _, emb, err := a.cellsOf(ctx, j, emb, b, nil)
	if err != nil {
		return none, err
	}
	defer cells.Close()
	if err := storage.MakeFolder(out); err != nil {
		return none, err
	}
	if err := cells.WriteEmbedded(ctx, out, emb.Embeddings, j.provenance(emb.device, api.MethodEmbedding)); err != nil {
		return none, err
	}
	return api.CellEmbeddingResponse{
		Cells: cells.Len(), Dim: emb.Dim, EmptyCells: len(emb.Empty), TruncatedCells: emb.Truncated, Tokens: emb.Tokens,
		GeneMatch: geneMatch(cells), Model: j.eng.Name(), Fingerprint: j.eng.Fingerprint(),
		Device: emb.device, Precision: engine.PrecisionOf(emb.device), BatchTokens: j.eng.BatchTokens(),
	}, nil
}
