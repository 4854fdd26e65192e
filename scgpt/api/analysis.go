package api

import (
	"errors"
	"fmt"
)

// AnalysisWorkflowRequest is the input of [Analysis]. Only ExpressionData is
// required.
type AnalysisWorkflowRequest struct {
	// ExpressionData is the path of the cells: an .h5ad file, or the .h5 file or folder
	// of 10x Genomics.
	ExpressionData string `json:"expression_data"`
	// ReferenceDataset is the name of a labelled reference in the worker's
	// folder of references, whose labels are transferred; empty means the
	// model's classifier head.
	ReferenceDataset string `json:"reference_dataset,omitempty"`
	// Model is the name of a model in the worker's model folder; empty means
	// the worker's default.
	Model string `json:"model,omitempty"`
	// Out is the path of the annotated copy; empty means
	// NAME.annotated.h5ad in the worker's output folder, after the input's base
	// name; that of Cell Ranger's matrices, alike for all samples, is preceded by
	// the name of the sample's folder.
	Out string `json:"out,omitempty"`
	// BatchKey is the obs column of the batches to integrate; empty means that
	// nothing is integrated. NHVG and Flavor are as in [BatchIntegrationRequest].
	BatchKey string `json:"batch_key,omitempty"`
	NHVG     int    `json:"n_hvg,omitempty"`
	Flavor   string `json:"flavor,omitempty"`
	// NameClusters asks for clusters of the cells that got no label, named by
	// the agent foogpt after the genes that mark them. Tissue, such as blood,
	// leaves out cell types that do not occur there.
	NameClusters bool   `json:"name_clusters,omitempty"`
	Tissue       string `json:"tissue,omitempty"`
	// Genes are the genes whose embeddings are looked up, and which the report
	// shows; empty means [CommonMarkers]. One of those that are named has to be
	// in the model's vocabulary.
	Genes []string `json:"genes,omitempty"`
	// NoMemo asks for a computation even where a stored result would do, and
	// stores none.
	NoMemo bool `json:"no_memo,omitempty"`
	// Cells says how the cells are read and turned into tokens.
	Cells CellOptions `json:"cells,omitzero"`
	// Labels says when a cell gets a label.
	Labels LabelOptions `json:"labels,omitzero"`
	ReportOptions
	ShardOptions
	// SearchAttributes asks for [PhaseAttribute], [ModelAttribute] and
	// [CellsAttribute], which must exist in the namespace.
	SearchAttributes bool `json:"search_attributes,omitempty"`
	// Resume is set by the workflow itself when it continues as new.
	Resume *Resume `json:"resume,omitempty"`
}

// Validate reports what is wrong with the request by itself.
func (r AnalysisWorkflowRequest) Validate() error {
	switch {
	case r.ExpressionData == "":
		return errNoData
	case r.NHVG < 0 || r.NHVG > MaxHVG:
		return fmt.Errorf("n_hvg is %d: want 0 for the default, or 1 to %d", r.NHVG, MaxHVG)
	case r.Tissue != "" && !r.NameClusters:
		return errors.New("tissue is for names of clusters: set name_clusters")
	case r.NHVG > 0 && r.BatchKey == "":
		return errors.New("n_hvg is for integration: name the column of the batches in batch_key")
	case r.Flavor != "" && r.BatchKey == "":
		return errors.New("flavor is for integration: name the column of the batches in batch_key")
	}
	return firstError(checkFlavor(r.Flavor), checkGenes(r.Genes), r.Cells.Validate(), r.Labels.Validate(), r.ShardOptions.Validate())
}

var errNoData = errors.New("expression_data is empty: want the path of an .h5ad file, or of an .h5 file or folder of 10x Genomics")

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// AnalysisWorkflowResult is what [Analysis] returns.
type AnalysisWorkflowResult struct {
	// Status is "complete".
	Status         string             `json:"status"`
	Annotation     AnnotationResponse `json:"annotation"`
	GeneEmbeddings EmbeddingResponse  `json:"gene_embeddings"`
	// Integration is there when the request named batches, Clusters when it
	// asked for names of clusters.
	Integration *BatchIntegrationResponse `json:"integration,omitempty"`
	Clusters    *ClusterNames             `json:"clusters,omitempty"`
	Metadata    AnalysisMetadata          `json:"metadata"`
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
	// Accelerator is the GPU of the worker that wrote the result.
	Accelerator *Accelerator `json:"accelerator,omitempty"`
	// Seconds is the workflow's duration.
	Seconds float64 `json:"seconds"`
	// Shards and ShardsReused count the shards of the annotation and those
	// that an earlier attempt had finished.
	Shards       int `json:"shards"`
	ShardsReused int `json:"shards_reused"`
	// FromMemo is true when annotation and genes, if there are any, were stored
	// results.
	FromMemo bool   `json:"from_memo"`
	Version  string `json:"version"`
}

// Accelerator is what a GPU says of itself; a CPU has none.
type Accelerator struct {
	// Name is the maker's, such as "NVIDIA H100 80GB HBM3".
	Name string `json:"name"`
	// MemoryUsed and MemoryTotal are bytes; all programs that use the device
	// count.
	MemoryUsed  int64 `json:"memory_used"`
	MemoryTotal int64 `json:"memory_total"`
	// Driver is the version of the driver, Runtime those of the libraries.
	Driver  string `json:"driver"`
	Runtime string `json:"runtime"`
}
