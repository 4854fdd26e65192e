package api

import (
	"errors"
	"fmt"
)

// ClusterRequest is the input of [ClusterCells].
type ClusterRequest struct {
	// Annotated is the path of a copy that [AnnotateCellTypes] wrote.
	Annotated string `json:"annotated"`
	// Layer and GeneColumn are as in [CellOptions].
	Layer      string `json:"layer,omitempty"`
	GeneColumn string `json:"gene_column,omitempty"`
	// Resolution of the clusters; 0 means 1: the higher, the more and the
	// smaller the clusters. MinCells is the size of the smallest that counts;
	// 0 means 10.
	Resolution float64 `json:"resolution,omitempty"`
	MinCells   int     `json:"min_cells,omitempty"`
}

// Validate reports what is wrong with the request by itself.
func (r ClusterRequest) Validate() error {
	switch {
	case r.Annotated == "":
		return errors.New("annotated is empty: want the path of an annotated .h5ad file")
	case !(r.Resolution >= 0 && r.Resolution <= 100):
		return fmt.Errorf("resolution is %v: want 0 for 1, or up to 100", r.Resolution)
	case r.MinCells < 0:
		return fmt.Errorf("min_cells is %d: want 0 for 10, or more", r.MinCells)
	}
	return nil
}

// ClusterResponse is what [ClusterCells] returns.
type ClusterResponse struct {
	// UnassignedCells counts the cells without a label.
	UnassignedCells int `json:"unassigned_cells"`
	// Clusters are those of at least MinCells cells, the largest first. Cells
	// without a gene that the model knows are in none.
	Clusters []Cluster `json:"clusters"`
	// Assignments is the path of a .csv file with the cluster of each of their
	// cells.
	Assignments string `json:"assignments,omitempty"`
	// Warnings say why there is no cluster, or what makes the genes less sure, in
	// sentences.
	Warnings []string `json:"warnings,omitempty"`
}

// Cluster is a group of cells without a label.
type Cluster struct {
	ID    string `json:"id"`
	Cells int    `json:"cells"`
	// Genes set the cluster apart from all other cells, best first.
	Genes []string `json:"genes"`
	// Name is what the cluster is taken for, Confidence how sure that is, and
	// Evidence has the genes that speak for it: see the agent foogpt. They are
	// empty until clusters are named.
	Name       string   `json:"name,omitempty"`
	Confidence float64  `json:"confidence,omitempty"`
	Evidence   []string `json:"evidence,omitempty"`
}

// NameCellsRequest is the input of [NameCells].
type NameCellsRequest struct {
	// Annotated and Assignments are those of the clusters.
	Annotated   string    `json:"annotated"`
	Assignments string    `json:"assignments"`
	Clusters    []Cluster `json:"clusters"`
}

// Validate reports what is wrong with the request by itself.
func (r NameCellsRequest) Validate() error {
	switch {
	case r.Annotated == "" || r.Assignments == "":
		return errors.New("annotated and assignments are needed: the paths of cluster_cells")
	case len(r.Clusters) == 0:
		return errors.New("clusters is empty")
	}
	return nil
}

// NamedCells is what [NameCells] returns.
type NamedCells struct {
	// Cells counts those that got the name of their cluster.
	Cells int `json:"cells"`
}

// ClusterNames is the part of an analysis's result about the cells that got no
// label.
type ClusterNames struct {
	UnassignedCells int       `json:"unassigned_cells"`
	Clusters        []Cluster `json:"clusters"`
	// Method is how foogpt found the names.
	Method string `json:"method,omitempty"`
	// Assignments is the path of a .csv file with the cluster and name of each
	// cell; the annotated copy has them too, in obs["troupe_cluster"],
	// obs["troupe_cluster_name"] and obs["troupe_cluster_conf"], the latter two
	// missing where a cell has no named cluster.
	Assignments string `json:"assignments,omitempty"`
	// Problem is why cells were not clustered, or why clusters or the annotated
	// copy have no names: no worker of foogpt answered, say. The rest of the
	// analysis does not depend on it.
	Problem string `json:"problem,omitempty"`
	// Warnings say why no cluster was found, or what makes the genes of the clusters,
	// and so their names, less sure, in sentences.
	Warnings []string `json:"warnings,omitempty"`
}
