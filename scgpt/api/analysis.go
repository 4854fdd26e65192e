package api

import (
	"errors"
	"fmt"
)

// AnalysisWorkflowRequest is the input of [Analysis]. Only ExpressionData is
// required.
type AnalysisWorkflowRequest struct {
	// ExpressionData is the path of the .h5ad file.
	ExpressionData string `json:"expression_data"`
	// ReferenceDataset would name a labelled reference to take labels from.
	// This version labels by the model's classifier head alone and refuses
	// a request that asks for a reference.
	ReferenceDataset string `json:"reference_dataset,omitempty"`
	// Model is the name of a model in the worker's model folder; empty means
	// the worker's default.
	Model string `json:"model,omitempty"`
	// Out is the path of the annotated copy; empty means
	// NAME.annotated.h5ad in the worker's output folder.
	Out string `json:"out,omitempty"`
	// BatchKey would name the obs column of the batches to integrate, which
	// this version refuses.
	BatchKey string `json:"batch_key,omitempty"`
	// Genes are the genes whose embeddings are looked up; empty means
	// [CommonMarkers].
	Genes []string `json:"genes,omitempty"`
	// NoMemo asks for a computation even where a stored result would do.
	// This version stores none between analyses.
	NoMemo bool `json:"no_memo,omitempty"`
	// Cells says how the cells are read and turned into tokens.
	Cells CellOptions `json:"cells,omitzero"`
	// ShardCells is the number of cells of a shard; 0 lets the worker choose
	// for some 15 s of work each.
	ShardCells int `json:"shard_cells,omitempty"`
	// MaxShardsInFlight bounds the shards that are scheduled at a time;
	// 0 means 16.
	MaxShardsInFlight int `json:"max_shards_in_flight,omitempty"`
	// Resume is set by the workflow itself when it continues as new.
	Resume *Resume `json:"resume,omitempty"`
}

// Validate reports what is wrong with the request by itself.
func (r AnalysisWorkflowRequest) Validate() error {
	switch {
	case r.ExpressionData == "":
		return errors.New("expression_data is empty: want the path of an .h5ad file")
	case r.ReferenceDataset != "":
		return fmt.Errorf("reference_dataset is %q, but this version has no references: leave it out to label by the model's classifier head", r.ReferenceDataset)
	case r.BatchKey != "":
		return fmt.Errorf("batch_key is %q, but this version does not integrate batches: leave it out", r.BatchKey)
	case r.ShardCells < 0:
		return fmt.Errorf("shard_cells is %d: want 0 or more", r.ShardCells)
	case r.MaxShardsInFlight < 0 || r.MaxShardsInFlight > MaxShardsInFlight:
		return fmt.Errorf("max_shards_in_flight is %d: want 0 to %d", r.MaxShardsInFlight, MaxShardsInFlight)
	}
	if err := checkGenes(r.Genes); err != nil {
		return err
	}
	return r.Cells.Validate()
}

// MaxShardsInFlight is the largest number of shards that an analysis may have
// scheduled at a time: Temporal holds at most 2,000 pending activities.
const MaxShardsInFlight = 1000

// Resume is what one run of an analysis hands to the next.
type Resume struct {
	Plan Plan `json:"plan"`
	// Done counts the finished shards: all before that number.
	Done int `json:"done"`
	// Reused counts those of them that were found finished.
	Reused int `json:"reused"`
	// DeviceClasses are the classes that computed them.
	DeviceClasses []string `json:"device_classes,omitempty"`
	// Started is when the first run began, in Unix milliseconds.
	Started int64 `json:"started"`
}

// AnalysisWorkflowResult is what [Analysis] returns.
type AnalysisWorkflowResult struct {
	// Status is "complete".
	Status         string             `json:"status"`
	Annotation     AnnotationResponse `json:"annotation"`
	GeneEmbeddings EmbeddingResponse  `json:"gene_embeddings"`
	Metadata       AnalysisMetadata   `json:"metadata"`
}

// StatusComplete is the status of an analysis that did all it was asked for.
const StatusComplete = "complete"

// AnalysisMetadata says where a result came from.
type AnalysisMetadata struct {
	WorkflowID  string `json:"workflow_id"`
	Model       string `json:"model"`
	Fingerprint string `json:"fingerprint"`
	// Device is the device class that computed, such as cpu/avx512/fp32;
	// classes joined by "+" where shards came from several.
	Device    string `json:"device"`
	Precision string `json:"precision"`
	// Seconds is the workflow's duration.
	Seconds float64 `json:"seconds"`
	// Shards and ShardsReused count the shards of the analysis and those
	// that an earlier attempt had finished.
	Shards       int    `json:"shards"`
	ShardsReused int    `json:"shards_reused"`
	Version      string `json:"version"`
}

// Progress is the answer to [ProgressQuery].
type Progress struct {
	// Phase is planning, embedding, annotating, genes or done.
	Phase       string `json:"phase"`
	ShardsDone  int    `json:"shards_done"`
	ShardsTotal int    `json:"shards_total"`
	CellsDone   int    `json:"cells_done"`
	CellsTotal  int    `json:"cells_total"`
}

// The phases of an analysis.
const (
	PhasePlanning   = "planning"
	PhaseEmbedding  = "embedding"
	PhaseAnnotating = "annotating"
	PhaseGenes      = "genes"
	PhaseDone       = "done"
)

// Beat is the detail of a heartbeat: how many of an activity's cells are done.
type Beat struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}
