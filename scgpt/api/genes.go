package api

import (
	"fmt"
	"slices"
)

// EmbeddingRequest is the input of [GetGeneEmbeddings].
type EmbeddingRequest struct {
	// Genes are symbols of the model's vocabulary; empty means
	// [CommonMarkers].
	Genes []string `json:"genes,omitempty"`
	Model string   `json:"model,omitempty"`
	// IncludeSimilarity asks for the cosine similarities too.
	IncludeSimilarity bool `json:"include_similarity,omitempty"`
}

// MaxInlineGenes is the largest number of genes of a request: the vectors
// travel in the response, which must stay small.
const MaxInlineGenes = 100

// Validate reports what is wrong with the request by itself.
func (r EmbeddingRequest) Validate() error { return checkGenes(r.Genes) }

func checkGenes(genes []string) error {
	if len(genes) > MaxInlineGenes {
		return fmt.Errorf("genes has %d entries: want at most %d", len(genes), MaxInlineGenes)
	}
	for i, g := range genes {
		if g == "" {
			return fmt.Errorf("genes[%d] is empty", i)
		}
	}
	return nil
}

// EmbeddingResponse is what [GetGeneEmbeddings] returns.
type EmbeddingResponse struct {
	// Genes are the genes found, in the order asked for; Missing those that
	// the vocabulary lacks.
	Genes   []string `json:"genes"`
	Missing []string `json:"missing,omitempty"`
	// Dim is the length of a vector.
	Dim int `json:"dim"`
	// Vectors holds one vector per gene.
	Vectors [][]float32 `json:"vectors"`
	// Similarity holds the cosine of each pair of genes.
	Similarity  [][]float32 `json:"similarity,omitempty"`
	Model       string      `json:"model"`
	Fingerprint string      `json:"fingerprint"`
}

// CommonMarkers returns marker genes of the common blood cell types: what gene
// embeddings are looked up for when a request names none.
func CommonMarkers() []string { return slices.Clone(commonMarkers) }

// The genes are those of the lineages in figure 3 of Zheng et al., Nat Commun
// 8:14049 (2017), and of Seurat's guided clustering of PBMC.
var commonMarkers = []string{
	"CD3D", "CD3E", "CD8A", "CD8B", "CD79A", "MS4A1", "LYZ", "CD14", "FCGR3A",
	"NKG7", "GNLY", "GZMB", "FCER1A", "CST3", "IL7R", "S100A8", "S100A9", "HLA-DRA",
}
