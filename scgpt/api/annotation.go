package api

import "fmt"

// AnnotationRequest is the input of [AnnotateCellTypes] and [Annotation].
type AnnotationRequest struct {
	ExpressionData string `json:"expression_data"`
	// ReferenceDataset names a reference; empty means the model's classifier
	// head.
	ReferenceDataset string       `json:"reference_dataset,omitempty"`
	Model            string       `json:"model,omitempty"`
	Out              string       `json:"out,omitempty"`
	Cells            CellOptions  `json:"cells,omitzero"`
	Labels           LabelOptions `json:"labels,omitzero"`
	// Genes are shown in the report; empty means [CommonMarkers].
	Genes  []string `json:"genes,omitempty"`
	NoMemo bool     `json:"no_memo,omitempty"`
	ReportOptions
	// The shards are the workflow's; the activity takes all cells at once.
	ShardOptions
	// Plan is set by the workflow where the embeddings lie in shard files;
	// without it the activity computes them itself. Resume is set by the
	// workflow when it continues as new.
	Plan   *Plan   `json:"plan,omitempty"`
	Resume *Resume `json:"resume,omitempty"`
}

// Validate reports what is wrong with the request by itself.
func (r AnnotationRequest) Validate() error {
	if r.ExpressionData == "" {
		return errNoData
	}
	return firstError(r.Cells.Validate(), r.Labels.Validate(), checkGenes(r.Genes), r.ShardOptions.Validate(), r.Plan.validate(TaskAnnotate, TaskEmbed))
}

// ReportOptions say what is made beside the annotated copy. The zero value is the
// default.
type ReportOptions struct {
	// BaselineData is the path of an .h5ad file of labelled cells, by which a
	// simple method labels the cells too, to be compared with the true types:
	// the nearest cells in the principal components of the expression. Their types
	// are in the column of obs that holds the true types of the cells, else in
	// celltype or cell_type; their genes are matched by the index of var, by
	// Ensembl ids without versions, or by symbols (see CellOptions.GeneColumn),
	// the index first. Data without types, or without a gene in common, is an
	// InvalidDataError before any cell is embedded.
	BaselineData string `json:"baseline_data,omitempty"`
	// NoReport asks for the annotated copy alone.
	NoReport bool `json:"no_report,omitempty"`
}

// LabelOptions says when a cell gets a label. The zero value is the default.
type LabelOptions struct {
	// MinConfidence is the least confidence at which a cell takes its label;
	// below it is "unassigned". 0 means 0.5 with a reference, where it is the
	// share of the neighbours that agree, and no limit with a classifier head,
	// where it is the probability of the class. -1 means no limit with either.
	MinConfidence float64 `json:"min_confidence,omitempty"`
	// Neighbors is how many cells of the reference vote; 0 means 10, or all of a
	// smaller reference. More than the reference has is an InvalidDataError before
	// any cell is embedded: all of them would give every cell the same label.
	Neighbors int `json:"neighbors,omitempty"`
}

// Validate reports values that no worker would take.
func (o LabelOptions) Validate() error {
	switch {
	case !(o.MinConfidence >= 0 && o.MinConfidence <= 1 || o.MinConfidence == -1):
		return fmt.Errorf("min_confidence is %v: want 0 to 1, or -1 for no limit", o.MinConfidence)
	case o.Neighbors < 0 || o.Neighbors > MaxNeighbors:
		return fmt.Errorf("neighbors is %d: want 0 for 10, or 1 to %d", o.Neighbors, MaxNeighbors)
	}
	return nil
}

// MaxNeighbors is the largest number of neighbours that vote.
const MaxNeighbors = 1000

// Unassigned is the label of a cell that gets no other.
const Unassigned = "unassigned"

// What was done to cells, as it stands in responses and in uns["troupe"]: the ways
// to label them, and to embed them without labels.
const (
	MethodClassifier  = "classifier"
	MethodReference   = "reference"
	MethodEmbedding   = "embedding"
	MethodIntegration = "integration"
)

// AnnotationResponse is what [AnnotateCellTypes] returns.
type AnnotationResponse struct {
	// Method is classifier or reference.
	Method string `json:"method"`
	// ReferenceDataset and ReferenceFingerprint say which reference.
	ReferenceDataset     string `json:"reference_dataset,omitempty"`
	ReferenceFingerprint string `json:"reference_fingerprint,omitempty"`
	// UniqueTypes lists the types that were given, in alphabetical order,
	// without unassigned.
	UniqueTypes []string `json:"unique_types"`
	// Counts holds the number of cells of each type, unassigned ones too.
	Counts map[string]int `json:"counts"`
	// UnassignedCells counts the cells that got no label.
	UnassignedCells int `json:"unassigned_cells"`
	// MeanConfidence is the mean, over all cells, of the confidence: the
	// softmax probability of the winning class, or the share of the neighbours
	// that agree. TypeConfidence is that of each type.
	MeanConfidence float64            `json:"mean_confidence"`
	TypeConfidence map[string]float64 `json:"type_confidence"`
	// Truth is there when the file carries cell types.
	Truth *Truth `json:"truth,omitempty"`
	// Baseline is there when the request named data for it.
	Baseline *Baseline `json:"baseline,omitempty"`
	// Warnings say what makes the baseline and the report's marker genes less
	// sure, and what of the input the copy replaces, in sentences.
	Warnings []string `json:"warnings,omitempty"`

	Cells int `json:"cells"`
	// EmptyCells counts the cells in which no gene of the vocabulary is
	// expressed: they are unassigned.
	EmptyCells int `json:"empty_cells"`
	// TruncatedCells counts the cells longer than the cap.
	TruncatedCells int       `json:"truncated_cells"`
	Tokens         int64     `json:"tokens"`
	GeneMatch      GeneMatch `json:"gene_match"`
	// Out is the path of the annotated copy: obs["predicted_labels"],
	// obs["conf_score"] and obsm["X_scGPT"] added.
	Out string `json:"out"`
	// Report is the path of a page to look at, and CSV that of a table of the
	// cells with their labels: both beside Out, and empty where the request
	// asked for none.
	Report      string `json:"report,omitempty"`
	CSV         string `json:"csv,omitempty"`
	Model       string `json:"model"`
	Fingerprint string `json:"fingerprint"`
	Device      string `json:"device"`
	Precision   string `json:"precision"`
	// Accelerator is the GPU of the worker that wrote the result.
	Accelerator *Accelerator `json:"accelerator,omitempty"`
	// BatchTokens is the number of tokens of a forward pass; less than the
	// device's own where memory was short.
	BatchTokens int `json:"batch_tokens"`
	// FromMemo is true for a stored result.
	FromMemo bool    `json:"from_memo"`
	Seconds  float64 `json:"seconds"`
}

// Truth compares labels with those that a file carries.
type Truth struct {
	// Column is the obs column that holds them.
	Column string `json:"column"`
	// Cells counts the cells that have a true label.
	Cells  int            `json:"cells"`
	Counts map[string]int `json:"counts"`
	// Accuracy and MacroF1 count an unassigned cell as a wrong one.
	Accuracy float64 `json:"accuracy"`
	MacroF1  float64 `json:"macro_f1"`
}

// Baseline is what a simple method reaches on the same cells.
type Baseline struct {
	// Data is the path of the file with the labelled cells, Method says in
	// half a sentence what was done with them.
	Data   string `json:"data"`
	Method string `json:"method"`
	// Accuracy and MacroF1 are as in [Truth].
	Accuracy float64 `json:"accuracy"`
	MacroF1  float64 `json:"macro_f1"`
}
