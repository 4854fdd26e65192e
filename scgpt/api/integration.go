package api

import "fmt"

// BatchIntegrationRequest is the input of [IntegrateBatches] and [Integration].
type BatchIntegrationRequest struct {
	ExpressionData string `json:"expression_data"`
	// BatchKey is the obs column of the batches; empty means batch.
	BatchKey string `json:"batch_key,omitempty"`
	// NHVG is the number of highly variable genes that cells are reduced to;
	// 0 means 1200.
	NHVG int `json:"n_hvg,omitempty"`
	// Flavor is how they are chosen: seurat_v3 (for counts), cell_ranger (for
	// log-normalised values), or empty for what the values look like: whole
	// numbers are counts, and so, with a warning, are others above 30.
	Flavor string `json:"flavor,omitempty"`
	Model  string `json:"model,omitempty"`
	// Out is the path of the copy with the embeddings; empty means
	// NAME.integrated.h5ad in the worker's output folder.
	Out string `json:"out,omitempty"`
	// Cells says how cells are read; its LabelColumn names the cell types by
	// which integration is measured.
	Cells  CellOptions `json:"cells,omitzero"`
	NoMemo bool        `json:"no_memo,omitempty"`
	ShardOptions
	// Plan and Resume are set by the workflow, as in [AnnotationRequest].
	Plan   *Plan   `json:"plan,omitempty"`
	Resume *Resume `json:"resume,omitempty"`
}

// MaxHVG is the largest number of highly variable genes: that of the columns that
// principal components are computed of.
const MaxHVG = 4096

// DefaultBatchKey is the column of batches where a request names none.
const DefaultBatchKey = "batch"

// Validate reports what is wrong with the request by itself.
func (r BatchIntegrationRequest) Validate() error {
	switch {
	case r.ExpressionData == "":
		return errNoData
	case r.NHVG < 0 || r.NHVG > MaxHVG:
		return fmt.Errorf("n_hvg is %d: want 0 for the default, or 1 to %d", r.NHVG, MaxHVG)
	}
	return firstError(checkFlavor(r.Flavor), r.Cells.Validate(), r.ShardOptions.Validate(), r.Plan.validate(TaskIntegrate))
}

func checkFlavor(flavor string) error {
	if !oneOf(flavor, "", "seurat_v3", "cell_ranger") {
		return fmt.Errorf("flavor is %q: want seurat_v3 or cell_ranger", flavor)
	}
	return nil
}

// BatchIntegrationResponse is what [IntegrateBatches] returns. Fields that
// [AnnotationResponse] has too mean the same.
type BatchIntegrationResponse struct {
	Cells int `json:"cells"`
	// BatchKey is the column, Batches the number of cells of each batch.
	BatchKey string         `json:"batch_key"`
	Batches  map[string]int `json:"batches"`
	// Domains is true when the model has batch norms or batch labels of its
	// own for these batches; otherwise it treats all alike, and what mixes
	// them is the choice of genes and the model's view of the ranks.
	Domains bool `json:"domains"`
	// Genes counts the chosen genes, Candidates those that they were chosen
	// from. Flavor is empty where all were taken.
	Genes      int    `json:"genes"`
	Candidates int    `json:"candidates"`
	Flavor     string `json:"flavor,omitempty"`
	// Before measures the principal components of the chosen genes'
	// log-normalised values, After the embedding.
	Before IntegrationMetrics `json:"before"`
	After  IntegrationMetrics `json:"after"`
	// Warnings say what makes the result less sure, and what of the input the copy
	// replaces, in sentences.
	Warnings []string `json:"warnings,omitempty"`

	Dim        int       `json:"dim"`
	EmptyCells int       `json:"empty_cells"`
	Tokens     int64     `json:"tokens"`
	GeneMatch  GeneMatch `json:"gene_match"`
	// Out is the path of the copy: obsm["X_scGPT"] added.
	Out         string       `json:"out"`
	Model       string       `json:"model"`
	Fingerprint string       `json:"fingerprint"`
	Device      string       `json:"device"`
	Precision   string       `json:"precision"`
	Accelerator *Accelerator `json:"accelerator,omitempty"`
	BatchTokens int          `json:"batch_tokens"`
	FromMemo    bool         `json:"from_memo"`
	Seconds     float64      `json:"seconds"`
}

// IntegrationMetrics say how well an embedding mixes batches and keeps cell types
// apart, with the scores of scib: all between 0 and 1 (ARI may be below), where 1
// is best. What the cells do not allow to be measured is nil, absent in JSON, and
// the response's warnings say why.
type IntegrationMetrics struct {
	// Cells counts the cells that the batches were measured on: all, or those
	// with a type, or as many of them spread evenly over the file, with some of
	// every batch.
	Cells int `json:"cells"`
	// BatchASW is 1 - |silhouette width of the batches|, within each cell type
	// where there are types and over all cells otherwise.
	BatchASW *float64 `json:"batch_asw,omitempty"`
	// GraphConnectivity is how far the cells of a type hang together in the
	// graph of neighbours; of all cells where there are no types.
	GraphConnectivity *float64 `json:"graph_connectivity,omitempty"`
	// AvgBATCH is the mean of both.
	AvgBATCH *float64 `json:"avg_batch,omitempty"`
	// Labels is there when the file carries cell types.
	Labels *LabelMetrics `json:"labels,omitempty"`
}

// LabelMetrics say how well an embedding keeps cell types apart.
type LabelMetrics struct {
	// Column is the obs column of the types.
	Column string `json:"column"`
	// NMI and ARI compare the types with the best of several clusterings,
	// ASW is the silhouette width of the types, AvgBIO the mean of the three.
	NMI    float64 `json:"nmi"`
	ARI    float64 `json:"ari"`
	ASW    float64 `json:"asw"`
	AvgBIO float64 `json:"avg_bio"`
}
