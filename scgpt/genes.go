package scgpt

import (
	"context"
	"slices"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

// getGeneEmbeddings is the activity get_gene_embeddings.
func (a *Agent) getGeneEmbeddings(ctx context.Context, req api.EmbeddingRequest) (api.EmbeddingResponse, error) {
	stop := agent.KeepAlive(ctx, func() api.Beat { return api.Beat{} })
	defer stop()
	eng, err := a.model(req.Model)
	if err != nil {
		return api.EmbeddingResponse{}, err
	}
	genes := req.Genes
	if len(genes) == 0 {
		genes = api.CommonMarkers()
	}
	var g *engine.GeneVectors
	err = a.useDevice(ctx, func() (err error) {
		g, err = eng.Genes(genes)
		return err
	})
	if err != nil {
		return api.EmbeddingResponse{}, err
	}
	res := api.EmbeddingResponse{Genes: g.Genes, Missing: g.Missing, Dim: g.Dim, Model: eng.Name(), Fingerprint: eng.Fingerprint()}
	var similarity []float32
	if req.IncludeSimilarity {
		similarity = g.Similarity()
	}
	if len(g.Vectors)+len(similarity) <= api.MaxInlineValues {
		res.Vectors = rows(g.Vectors, g.Dim)
		res.Similarity = rows(similarity, len(g.Genes))
		return res, nil
	}
	if res.Out, err = a.outputPath(req.Out, "gene_embeddings.h5ad"); err != nil {
		return api.EmbeddingResponse{}, err
	}
	if err := storage.MakeFolder(res.Out); err != nil {
		return api.EmbeddingResponse{}, err
	}
	// The lists of names may be long too; they stand in the file.
	if err := g.Write(ctx, res.Out, similarity, engine.Provenance{
		Agent: "scgpt", Version: Version, Model: eng.Name(), Fingerprint: eng.Fingerprint(), Device: eng.Class(),
	}); err != nil {
		return api.EmbeddingResponse{}, err
	}
	return res, nil
}

func rows(values []float32, n int) [][]float32 {
	if len(values) == 0 {
		return nil
	}
	return slices.Collect(slices.Chunk(values, n))
}
