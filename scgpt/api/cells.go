package api

import "fmt"

// CellOptions says how cells are read from a file and turned into tokens. The
// zero value is the default.
type CellOptions struct {
	// Layer is the layer to read instead of X.
	Layer string `json:"layer,omitempty"`
	// GeneColumn is the column of var with the gene symbols; empty means
	// gene_name, gene_symbols or feature_name where the index holds Ensembl
	// ids, else the index.
	GeneColumn string `json:"gene_column,omitempty"`
	// MaxLength is the largest number of tokens of a cell, <cls> included;
	// 0 means 3001 for labels and 1200 for embeddings alone.
	MaxLength int `json:"max_length,omitempty"`
	// Cap says which genes a cell beyond MaxLength keeps: even (default),
	// first, highest or seeded.
	Cap string `json:"cap,omitempty"`
	// Ties says where equal values are binned: mid (default), left or seeded.
	Ties string `json:"ties,omitempty"`
	// Seed is the seed of the seeded rules.
	Seed uint64 `json:"seed,omitempty"`
	// LabelColumn is the obs column with the true cell types, to measure the
	// accuracy; empty means celltype or cell_type where there is one.
	LabelColumn string `json:"label_column,omitempty"`
	// MinGeneShare is the smallest share of the file's genes that must be
	// in the model's vocabulary; 0 means 0.5, and -1 any.
	MinGeneShare float64 `json:"min_gene_share,omitempty"`
}

// Validate reports values that no worker would take.
func (o CellOptions) Validate() error {
	switch {
	case o.MaxLength < 0 || o.MaxLength == 1:
		return fmt.Errorf("max_length is %d: want 0 for the default or at least 2", o.MaxLength)
	case !oneOf(o.Cap, "", "even", "first", "highest", "seeded"):
		return fmt.Errorf("cap is %q: want even, first, highest or seeded", o.Cap)
	case !oneOf(o.Ties, "", "mid", "left", "seeded"):
		return fmt.Errorf("ties is %q: want mid, left or seeded", o.Ties)
	case !(o.MinGeneShare >= 0 && o.MinGeneShare <= 1 || o.MinGeneShare == -1):
		return fmt.Errorf("min_gene_share is %v: want 0 to 1, or -1 for any", o.MinGeneShare)
	}
	return nil
}

func oneOf(s string, values ...string) bool {
	for _, v := range values {
		if s == v {
			return true
		}
	}
	return false
}

// GeneMatch says how the genes of a file met the model's vocabulary.
type GeneMatch struct {
	Total   int     `json:"total"`
	Matched int     `json:"matched"`
	Share   float64 `json:"share"`
	// Unmatched holds the first of the UnmatchedCount genes that were not
	// found.
	UnmatchedCount int      `json:"unmatched_count"`
	Unmatched      []string `json:"unmatched,omitempty"`
	// Duplicates holds the first of the DuplicateCount columns that were left
	// out because an earlier one is the same gene.
	DuplicateCount int      `json:"duplicate_count"`
	Duplicates     []string `json:"duplicates,omitempty"`
	// MappedFromSymbols counts the genes found by a column of symbols instead
	// of the index.
	MappedFromSymbols int `json:"mapped_from_symbols"`
}
