package tokens

import (
	"fmt"
	"math"
	"strings"
)

// CellError is a cell whose values cannot be binned, or that is no row of the
// matrix that the genes were matched for.
type CellError struct {
	// Row is the cell's row.
	Row int
	// Reason names the gene, the value, and what would be right.
	Reason string
}

func (e *CellError) Error() string { return fmt.Sprintf("cell %d: %s", e.Row, e.Reason) }

// ErrorType returns "InvalidDataError": trying again will not help.
func (e *CellError) ErrorType() string { return "InvalidDataError" }

// MatchError is a matrix with too few genes of the vocabulary.
type MatchError struct {
	// Report says what was found and what was not.
	Report Report
	// MinShare is the share that was asked for.
	MinShare float64
}

func (e *MatchError) Error() string {
	var b strings.Builder
	r := e.Report
	fmt.Fprintf(&b, "only %d of %d genes (%.1f %%) are in the model's vocabulary, less than %.1f %%", r.Matched, r.Total, 100*r.Share, 100*e.MinShare)
	if len(r.Unmatched) > 0 {
		fmt.Fprintf(&b, "; not found: %s", strings.Join(quoted(r.Unmatched, 5), ", "))
		if r.UnmatchedCount > 5 {
			b.WriteString(", …")
		}
	}
	switch {
	case r.EnsemblIDs > 0:
		fmt.Fprintf(&b, "; %d of the names are Ensembl ids: name the column of var with the gene symbols (gene_column, --gene-column)", r.EnsemblIDs)
	case r.OtherCase > 0:
		fmt.Fprintf(&b, "; %d of them would match in capitals: symbols are case-sensitive, and those of mouse are no human genes", r.OtherCase)
	default:
		b.WriteString("; name the column of var with the gene symbols (gene_column, --gene-column)")
	}
	if r.Matched > 0 {
		fmt.Fprintf(&b, ", or lower the least share of matched genes (min_gene_share, --min-gene-share) to %.3g", math.Floor(1000*r.Share)/1000)
	}
	return b.String()
}

// ErrorType returns "InvalidDataError": trying again will not help.
func (e *MatchError) ErrorType() string { return "InvalidDataError" }

func quoted(names []string, most int) []string {
	out := make([]string, 0, most)
	for _, name := range names[:min(len(names), most)] {
		out = append(out, fmt.Sprintf("%q", name))
	}
	return out
}
