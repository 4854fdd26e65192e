package report

import (
	"fmt"
	"math"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

// Report is what a run found. Title, Cells, Labels and Confidence are needed;
// sections of the page whose part is missing are left out.
type Report struct {
	// Title is the headline: the name of the file, say.
	Title string
	// Cells holds the cells' names, Labels the types that they were given and
	// Confidence that in each, from 0 to 1.
	Cells      []string
	Labels     []string
	Confidence []float32
	// LabelsKey and ConfidenceKey head their columns in the table; empty means
	// label and confidence.
	LabelsKey, ConfidenceKey string
	// Method says in half a sentence how the labels were given.
	Method string
	// ConfidenceMeaning says in half a sentence what the confidence is.
	ConfidenceMeaning string
	// Truth holds the true types, "" where one is not known. TruthKey is the
	// name of the column that they come from. Nil means there are none.
	Truth    []string
	TruthKey string
	// Baseline holds types that a simpler method gave the same cells, to be
	// compared with the truth. Nil means there are none.
	Baseline *Baseline
	// Columns are further ways to colour the cells, such as their batch.
	Columns []Column
	// Embedding has a row for each cell that is drawn (see [Drawn]), which PCA
	// and UMAP lay out. Without rows there is no plot. EmbeddingKey is its
	// name.
	Embedding    neighbors.Matrix
	EmbeddingKey string
	// Markers is the expression of genes in the cells of each type.
	Markers *Markers
	// Similarity is that of genes to the model.
	Similarity *Similarity
	// Genes says how the genes of the file met the model's vocabulary.
	Genes *GeneMatch
	// Provenance says where the result comes from, in the order given.
	Provenance []Fact
	// Notes are sentences about what the reader should know of this run.
	Notes []string
	// Threads is the most goroutines that lay out the cells; 0 is
	// GOMAXPROCS. The page does not depend on it.
	Threads int
}

// Column has a value for each cell, "" where it is missing.
type Column struct {
	Name   string
	Values []string
}

// Baseline is what a simpler method found.
type Baseline struct {
	Labels []string
	// Method says in half a sentence what it is.
	Method string
}

// Markers is the expression of genes in groups of cells.
type Markers struct {
	Genes []string
	// Types are in the order of the rows of Fraction and Mean.
	Types []string
	// Fraction is the share of the cells of a type in which a gene is
	// expressed, Mean the mean of its values in them all; a row per type, a
	// column per gene.
	Fraction, Mean [][]float64
}

// Similarity is the cosine of each pair of genes, a row for each gene.
type Similarity struct {
	Genes  []string
	Cosine []float32
}

// GeneMatch says how the genes of a file met the vocabulary of the model.
type GeneMatch struct {
	Total, Matched int
	// MappedFromSymbols of the matched were found by a column of symbols.
	MappedFromSymbols int
	// Unmatched are the first of UnmatchedCount genes that were not found.
	Unmatched      []string
	UnmatchedCount int
	// Duplicates are the first of DuplicateCount that an earlier column
	// stands for.
	Duplicates     []string
	DuplicateCount int
}

// Fact is a line of the provenance.
type Fact struct{ Name, Value string }

// Error is a report that cannot be shown.
type Error struct {
	// Subject is the field, with an index where one value is wrong.
	Subject string
	// Reason says what was found and what would be right.
	Reason string
}

func (e *Error) Error() string { return "report: " + e.Subject + ": " + e.Reason }

// ErrorType returns "InvalidDataError": trying again will not help.
func (e *Error) ErrorType() string { return "InvalidDataError" }

func invalidf(subject, format string, args ...any) error {
	return &Error{Subject: subject, Reason: fmt.Sprintf(format, args...)}
}

// check makes sure that all parts are of the same cells and genes.
func (r *Report) check() error {
	if r.Threads < 0 {
		return invalidf("Threads", "%d, but it must be 0, for all processors, or more", r.Threads)
	}
	if err := r.checkLengths(len(r.Cells)); err != nil {
		return err
	}
	for i, c := range r.Confidence {
		if !(c >= 0 && c <= 1) {
			return invalidf(fmt.Sprintf("Confidence[%d]", i), "%v, but it must be from 0 to 1", c)
		}
	}
	if r.Embedding.Rows > 0 {
		if err := r.Embedding.Check("Embedding"); err != nil {
			return err
		}
	}
	if m := r.Markers; m != nil {
		if len(m.Fraction) != len(m.Types) || len(m.Mean) != len(m.Types) {
			return invalidf("Markers", "%d and %d rows for %d types", len(m.Fraction), len(m.Mean), len(m.Types))
		}
		for i := range m.Types {
			if len(m.Fraction[i]) != len(m.Genes) || len(m.Mean[i]) != len(m.Genes) {
				return invalidf(fmt.Sprintf("Markers row %d", i), "%d and %d values for %d genes", len(m.Fraction[i]), len(m.Mean[i]), len(m.Genes))
			}
			for j := range m.Genes {
				if f, v := m.Fraction[i][j], m.Mean[i][j]; !(f >= 0 && f <= 1) || math.IsNaN(v) || math.IsInf(v, 0) {
					return invalidf(fmt.Sprintf("Markers row %d, column %d", i, j), "share %v, mean %v: want a share from 0 to 1 and a finite mean", f, v)
				}
			}
		}
	}
	if s := r.Similarity; s != nil {
		if len(s.Cosine) != len(s.Genes)*len(s.Genes) {
			return invalidf("Similarity", "%d values for %d genes", len(s.Cosine), len(s.Genes))
		}
		for i, c := range s.Cosine {
			if !(c >= -1.001 && c <= 1.001) {
				return invalidf(fmt.Sprintf("Similarity.Cosine[%d]", i), "%v, but a cosine is from -1 to 1", c)
			}
		}
	}
	return nil
}

func (r *Report) checkLengths(n int) error {
	type length struct {
		field string
		n     int
	}
	lengths := []length{{"Labels", len(r.Labels)}, {"Confidence", len(r.Confidence)}}
	if r.Truth != nil {
		lengths = append(lengths, length{"Truth", len(r.Truth)})
	}
	if r.Baseline != nil {
		lengths = append(lengths, length{"Baseline.Labels", len(r.Baseline.Labels)})
	}
	for _, c := range r.Columns {
		lengths = append(lengths, length{fmt.Sprintf("Columns[%q]", c.Name), len(c.Values)})
	}
	for _, l := range lengths {
		if l.n != n {
			return invalidf(l.field, "%d entries, but there are %d cells", l.n, n)
		}
	}
	if rows := r.Embedding.Rows; rows > 0 && rows != min(n, MaxPoints) {
		return invalidf("Embedding", "%d rows, but %d of %d cells are drawn", rows, min(n, MaxPoints), n)
	}
	return nil
}
