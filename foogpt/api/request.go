package api

import (
	"errors"
	"fmt"
	"strings"
)

// What a request may hold.
const (
	MaxClusters        = 500 // clusters of one request
	MaxGenesPerCluster = 100 // genes of one cluster
	MaxNameBytes       = 100 // a cluster's ID, a gene's symbol, a tissue
)

// NameClustersRequest asks for the names of clusters.
type NameClustersRequest struct {
	// Clusters are named independently of each other.
	Clusters []Cluster `json:"clusters"`
	// Tissue leaves out cell types that do not occur there. Empty means all
	// types. [MethodMarkers] knows "blood", "bone marrow", "lung" and
	// "liver", in any case, and refuses others; a language model is told.
	Tissue string `json:"tissue,omitempty"`
}

// Cluster is a group of cells and the genes that set it apart.
type Cluster struct {
	// ID is the caller's own word for the cluster, unique in the request.
	ID string `json:"id"`
	// Genes are symbols, best marker first: what a test for differential
	// expression against all other cells ranks highest. Upper and lower
	// case are one; a symbol that comes again counts at its first rank.
	Genes []string `json:"genes"`
}

// Validate reports the first thing that is wrong with the request.
func (r NameClustersRequest) Validate() error {
	switch n := len(r.Clusters); {
	case n == 0:
		return errors.New("clusters is empty: want at least one")
	case n > MaxClusters:
		return fmt.Errorf("clusters has %d elements, more than %d: split the request", n, MaxClusters)
	}
	first := make(map[string]int, len(r.Clusters))
	for i, c := range r.Clusters {
		what := fmt.Sprintf("clusters[%d]", i)
		if err := checkName(what+".id", c.ID); err != nil {
			return err
		}
		if j, ok := first[c.ID]; ok {
			return fmt.Errorf("%s.id = %q, which is the id of clusters[%d] already", what, c.ID, j)
		}
		first[c.ID] = i
		if err := c.validateGenes(what + ".genes"); err != nil {
			return err
		}
	}
	if r.Tissue == "" {
		return nil
	}
	return checkName("tissue", r.Tissue)
}

func (c Cluster) validateGenes(what string) error {
	switch n := len(c.Genes); {
	case n == 0:
		return fmt.Errorf("%s is empty: want the cluster's marker genes, best first", what)
	case n > MaxGenesPerCluster:
		return fmt.Errorf("%s has %d elements, more than %d: send the best only", what, n, MaxGenesPerCluster)
	}
	for i, g := range c.Genes {
		if err := checkName(fmt.Sprintf("%s[%d]", what, i), g); err != nil {
			return err
		}
	}
	return nil
}

func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s is empty", what)
	case len(name) > MaxNameBytes:
		return fmt.Errorf("%s has %d bytes, more than %d", what, len(name), MaxNameBytes)
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("%s = %q begins or ends with white space", what, name)
	}
	return nil
}
