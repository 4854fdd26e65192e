package scgpt

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/seed-ab6af24b/troupe/agent/memo"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

// geneParams are what vectors of genes depend on beside model and device.
type geneParams struct {
	Genes      []string `json:"genes"`
	Similarity bool     `json:"similarity"`
}

// getGeneEmbeddings is the activity get_gene_embeddings.
func (a *Agent) getGeneEmbeddings(ctx context.Context, req api.EmbeddingRequest) (api.EmbeddingResponse, error) {
	start := time.Now()
	b := newBeats(ctx)
	defer b.stop()
	var none api.EmbeddingResponse
	eng, err := a.models.Load().get(req.Model)
	if err != nil {
		return none, err
	}
	genes := req.Genes
	if len(genes) == 0 {
		genes = api.CommonMarkers()
	}
	path := req.Out
	if path == "" {
		path = filepath.Join(a.opts.Out, "gene_embeddings.h5ad")
	}
	if err := anndata.CheckName(path); err != nil {
		return none, retry.InvalidData.Errorf("out: %w", err)
	}
	out, err := a.roots.Output(path)
	if err != nil {
		return none, err
	}
	if len(req.Genes) == 0 && len(eng.Known(genes)) == 0 {
		// The markers are human symbols: a vocabulary of mouse genes has none.
		return api.EmbeddingResponse{
			Genes: []string{}, Missing: genes, Dim: eng.EmbSize(),
			Model: eng.Name(), Fingerprint: eng.Fingerprint(), Device: eng.Class(), Seconds: time.Since(start).Seconds(),
		}, nil
	}
	j := job{eng: eng, out: out, memo: a.memo}
	if req.NoMemo {
		j.memo = nil
	}
	key := j.key(api.GetGeneEmbeddings.Name(), eng.Class(), geneParams{genes, req.IncludeSimilarity})
	res, hit, err := memo.Do(ctx, j.memo, key, []string{out}, func(ctx context.Context, files []string) (api.EmbeddingResponse, error) {
		return a.geneVectors(ctx, j, genes, req.IncludeSimilarity, b, files[0])
	})
	if err != nil {
		return none, err
	}
	if res.Out != "" {
		res.Out = out
	}
	res.FromMemo, res.Seconds = hit, time.Since(start).Seconds()
	return res, nil
}

// geneVectors looks the vectors up, and writes them to out where a response cannot
// hold them: then the response says so in its Out.
func (a *Agent) geneVectors(ctx context.Context, j job, genes []string, similarity bool, b *beats, out string) (api.EmbeddingResponse, error) {
	var none api.EmbeddingResponse
	var g *engine.GeneVectors
	err := a.useDevice(ctx, b, func() (err error) {
		g, err = j.eng.Genes(genes)
		return err
	})
	if err != nil {
		return none, err
	}
	res := api.EmbeddingResponse{
		Genes: g.Genes, Missing: g.Missing, Dim: g.Dim,
		Model: j.eng.Name(), Fingerprint: j.eng.Fingerprint(), Device: j.eng.Class(),
	}
	var cosines []float32
	if similarity {
		cosines = g.Similarity()
	}
	if len(g.Vectors)+len(cosines) <= api.MaxInlineValues {
		res.Vectors = rows(g.Vectors, g.Dim)
		res.Similarity = rows(cosines, len(g.Genes))
		return res, nil
	}
	if err := storage.CheckWritable(j.out); err != nil {
		return none, err
	}
	if err := storage.MakeFolder(out); err != nil {
		return none, err
	}
	res.Out = j.out
	return res, g.Write(ctx, out, cosines, j.provenance(j.eng.Class(), ""))
}

func rows(values []float32, n int) [][]float32 {
	if len(values) == 0 {
		return nil
	}
	return slices.Collect(slices.Chunk(values, n))
}
