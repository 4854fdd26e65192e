package engine

import (
	"fmt"
	"slices"

	"github.com/seed-ab6af24b/troupe/internal/quote"
	"github.com/seed-ab6af24b/troupe/scgpt/evaluate"
)

// truthColumns are the obs columns that are taken for true cell types where a
// request names none.
var truthColumns = []string{"celltype", "cell_type"}

// TruthColumns returns those names.
func TruthColumns() []string { return slices.Clone(truthColumns) }

// Truth holds the cell types that a file carries.
type Truth struct {
	// Column of obs.
	Column string
	// Types has an entry per cell, "" where it is missing.
	Types []string
}

// Texts reads a column of obs, as one text per cell, "" where it is missing.
func (c *Cells) Texts(column string) ([]string, error) {
	obs := c.file.Obs()
	if !obs.Has(column) {
		return nil, &Error{c.file.Path(), fmt.Sprintf("obs has no column %q; it has %s", column, quote.List(obs.Columns()))}
	}
	col, err := obs.Column(column)
	if err != nil {
		return nil, err
	}
	return col.Strings(), nil
}

// Names returns the names of the cells, the index of obs.
func (c *Cells) Names() ([]string, error) { return c.file.Obs().Index() }

// Truth reads a column of obs. types are those that labels are chosen from, nil
// where any will do. With column "" it takes celltype or cell_type, and returns
// nil where neither is there, or where its values are none of types, or too many
// for types: then it speaks of something else.
func (c *Cells) Truth(column string, types []string) (*Truth, error) {
	named := column != ""
	if !named {
		i := slices.IndexFunc(truthColumns, c.file.Obs().Has)
		if i < 0 {
			return nil, nil
		}
		column = truthColumns[i]
	}
	values, err := c.Texts(column)
	if err != nil {
		return nil, err
	}
	t := &Truth{Column: column, Types: values}
	if n := countTypes(t.Types); n > evaluate.MaxLabels {
		if !named {
			return nil, nil
		}
		return nil, &Error{c.file.Path(), fmt.Sprintf("obs[%q] holds %d different values, more than the %d types that can be compared: is it a column of cell types?", column, n, evaluate.MaxLabels)}
	}
	if !named && types != nil && !slices.ContainsFunc(t.Types, func(s string) bool { return slices.Contains(types, s) }) {
		return nil, nil
	}
	return t, nil
}

func countTypes(types []string) int {
	seen := map[string]bool{}
	for _, t := range types {
		seen[t] = true
	}
	return len(seen)
}

// Scores compare labels with the truth.
type Scores struct {
	// Cells counts the cells with a true type; the others are left out.
	Cells             int
	Counts            map[string]int
	Accuracy, MacroF1 float64
}

// Score compares the labels of all cells with the truth.
func (t *Truth) Score(l *Labels) (Scores, error) {
	s := Scores{Counts: map[string]int{}}
	var truth, predicted []string
	for i, v := range t.Types {
		if v == "" {
			continue
		}
		truth, predicted = append(truth, v), append(predicted, l.Types[i])
		s.Counts[v]++
	}
	s.Cells = len(truth)
	if s.Cells == 0 {
		return s, nil
	}
	scores, err := evaluate.Classification(truth, predicted)
	if err != nil {
		return s, err
	}
	s.Accuracy, s.MacroF1 = scores.Accuracy, scores.MacroF1
	return s, nil
}
