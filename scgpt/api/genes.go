package api

import (
	"fmt"
	"slices"
)

// EmbeddingRequest is the input of [GetGeneEmbeddings] and [GeneEmbedding].
type EmbeddingRequest struct {
	// Genes are symbols of the model's vocabulary; empty means
	// [CommonMarkers]. If none that are named is in the vocabulary, that is an
	// InvalidDataError; if none of the markers is, all are in Missing.
	Genes []string `json:"genes,omitempty"`
	Model string   `json:"model,omitempty"`
	// IncludeSimilarity asks for the cosine similarities too.
	IncludeSimilarity bool `json:"include_similarity,omitempty"`
	// Out is the path of the .h5ad file for vectors that are too many for a
	// response; empty means gene_embeddings.h5ad in the worker's output
	// folder.
	Out    string `json:"out,omitempty"`
	NoMemo bool   `json:"no_memo,omitempty"`
}

// MaxGenes is the largest number of genes of a request, MaxInlineValues the
// largest number of values that a response holds itself.
const (
	MaxGenes        = 10_000
	MaxInlineValues = 12_288
)

// The list of genes travels in requests and responses, which must stay below
// agent.MaxPayloadBytes.
const (
	maxGeneBytes  = 100
	maxGenesBytes = 150_000
)

// Validate reports what is wrong with the request by itself.
func (r EmbeddingRequest) Validate() error { return checkGenes(r.Genes) }

func checkGenes(genes []string) error {
	if len(genes) > MaxGenes {
		return fmt.Errorf("genes has %d entries: want at most %d", len(genes), MaxGenes)
	}
	total := 0
	for i, g := range genes {
		if g == "" {
			return fmt.Errorf("genes[%d] is empty", i)
		}
		if len(g) > maxGeneBytes {
			return fmt.Errorf("genes[%d] has %d bytes: want a symbol of at most %d", i, len(g), maxGeneBytes)
		}
		total += len(g)
	}
	if total > maxGenesBytes {
		return fmt.Errorf("genes have %d bytes together: want at most %d, or several requests", total, maxGenesBytes)
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
	// Vectors holds one vector per gene, Similarity the cosine of each pair
	// of genes: both only while they have at most MaxInlineValues values
	// together.
	Vectors    [][]float32 `json:"vectors,omitempty"`
	Similarity [][]float32 `json:"similarity,omitempty"`
	// Out is the .h5ad file that holds them otherwise: one row of obs per
	// gene, the vectors in obsm["X_scGPT"], the similarities in
	// obsm["similarity"].
	Out         string `json:"out,omitempty"`
	Model       string `json:"model"`
	Fingerprint string `json:"fingerprint"`
	// Device is the class of the device.
	Device string `json:"device"`
	// FromMemo is true for a stored result.
	FromMemo bool    `json:"from_memo"`
	Seconds  float64 `json:"seconds"`
}

// CommonMarkers returns marker genes of the common human blood cell types: what gene
// embeddings are looked up for when a request names none.
func CommonMarkers() []string { return slices.Clone(commonMarkers) }

// Markers of T cells (CD3D, CD3E, CD8A, CD8B, IL7R), B cells (CD79A, MS4A1),
// monocytes (LYZ, CD14, FCGR3A, S100A8, S100A9), NK and cytotoxic cells (NKG7,
// GNLY, GZMB) and dendritic cells (FCER1A, CST3, HLA-DRA), as in the analyses of
// PBMC that follow Zheng et al., Nat Commun 8:14049 (2017).
var commonMarkers = []string{
	"CD3D", "CD3E", "CD8A", "CD8B", "CD79A", "MS4A1", "LYZ", "CD14", "FCGR3A",
	"NKG7", "GNLY", "GZMB", "FCER1A", "CST3", "IL7R", "S100A8", "S100A9", "HLA-DRA",
}
