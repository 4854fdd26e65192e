package api

// CellEmbeddingRequest is the input of [EmbedCells] and [CellEmbedding].
type CellEmbeddingRequest struct {
	ExpressionData string `json:"expression_data"`
	Model          string `json:"model,omitempty"`
	// Out is the path of the copy with the embeddings; empty means
	// NAME.embedded.h5ad in the worker's output folder.
	Out    string      `json:"out,omitempty"`
	Cells  CellOptions `json:"cells,omitzero"`
	NoMemo bool        `json:"no_memo,omitempty"`
	ShardOptions
	// Plan and Resume are set by the workflow, as in [AnnotationRequest].
	Plan   *Plan   `json:"plan,omitempty"`
	Resume *Resume `json:"resume,omitempty"`
}

// Validate reports what is wrong with the request by itself.
func (r CellEmbeddingRequest) Validate() error {
	if r.ExpressionData == "" {
		return errNoData
	}
	return firstError(r.Cells.Validate(), r.ShardOptions.Validate(), r.Plan.validate(TaskEmbed))
}

// CellEmbeddingResponse is what [EmbedCells] returns. Fields that
// [AnnotationResponse] has too mean the same.
type CellEmbeddingResponse struct {
	Cells int `json:"cells"`
	// Dim is the length of an embedding.
	Dim            int       `json:"dim"`
	EmptyCells     int       `json:"empty_cells"`
	TruncatedCells int       `json:"truncated_cells"`
	Tokens         int64     `json:"tokens"`
	GeneMatch      GeneMatch `json:"gene_match"`
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
