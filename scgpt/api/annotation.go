package api

import "errors"

// AnnotationRequest is the input of [AnnotateCellTypes].
type AnnotationRequest struct {
	ExpressionData string      `json:"expression_data"`
	Model          string      `json:"model,omitempty"`
	Out            string      `json:"out,omitempty"`
	Cells          CellOptions `json:"cells,omitzero"`
	// Plan is set by the analysis where the embeddings lie in shard files;
	// without it the activity computes them itself.
	Plan *Plan `json:"plan,omitempty"`
}

// Validate reports what is wrong with the request by itself.
func (r AnnotationRequest) Validate() error {
	if r.ExpressionData == "" {
		return errors.New("expression_data is empty: want the path of an .h5ad file")
	}
	return r.Cells.Validate()
}

// AnnotationResponse is what [AnnotateCellTypes] returns.
type AnnotationResponse struct {
	// UniqueTypes lists the types that were given, in alphabetical order.
	UniqueTypes []string `json:"unique_types"`
	// Counts holds the number of cells of each type.
	Counts map[string]int `json:"counts"`
	// MeanConfidence is the mean, over all cells, of the softmax
	// probability of the winning class; TypeConfidence that of each type.
	MeanConfidence float64            `json:"mean_confidence"`
	TypeConfidence map[string]float64 `json:"type_confidence"`
	// Truth is there when the file carries cell types.
	Truth *Truth `json:"truth,omitempty"`

	Cells int `json:"cells"`
	// EmptyCells counts the cells in which no gene of the vocabulary is
	// expressed: their label rests on <cls> alone.
	EmptyCells int `json:"empty_cells"`
	// TruncatedCells counts the cells longer than the cap.
	TruncatedCells int       `json:"truncated_cells"`
	Tokens         int64     `json:"tokens"`
	GeneMatch      GeneMatch `json:"gene_match"`
	// Out is the path of the annotated copy: obs["predicted_labels"],
	// obs["conf_score"] and obsm["X_scGPT"] added.
	Out         string  `json:"out"`
	Model       string  `json:"model"`
	Fingerprint string  `json:"fingerprint"`
	Device      string  `json:"device"`
	Precision   string  `json:"precision"`
	Seconds     float64 `json:"seconds"`
}

// Truth compares labels with those that a file carries.
type Truth struct {
	// Column is the obs column that holds them.
	Column string `json:"column"`
	// Cells counts the cells that have a true label.
	Cells    int            `json:"cells"`
	Counts   map[string]int `json:"counts"`
	Accuracy float64        `json:"accuracy"`
	MacroF1  float64        `json:"macro_f1"`
}
