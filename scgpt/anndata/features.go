package anndata

import (
	"context"
	"slices"
)

// geneExpression is the type of the features that are genes.
const geneExpression = "Gene Expression"

// A selection says which of the features of a matrix are given as genes.
type selection struct {
	total int
	// keep are the numbers of those given, ascending; nil for all.
	keep []int32
}

// selectFeatures keeps those features for which want holds.
func selectFeatures(total int, want func(i int) bool) selection {
	keep := []int32{}
	for i := range total {
		if want(i) {
			keep = append(keep, int32(i))
		}
	}
	if len(keep) == total {
		keep = nil
	}
	return selection{total, keep}
}

// selectGenes keeps those features whose type says that they are genes; all
// where none is, as in a matrix of peaks.
func selectGenes(types []string) selection {
	s := selectFeatures(len(types), func(i int) bool { return types[i] == geneExpression })
	if s.len() == 0 {
		s.keep = nil
	}
	return s
}

// len returns the number of features that are given.
func (s selection) len() int {
	if s.keep == nil {
		return s.total
	}
	return len(s.keep)
}

// place returns for each feature its number among those given, -1 for the
// others; nil when all are given.
func (s selection) place() []int32 {
	if s.keep == nil {
		return nil
	}
	out := slices.Repeat([]int32{-1}, s.total)
	for to, from := range s.keep {
		out[from] = int32(to)
	}
	return out
}

// of returns the values of the features that are given.
func (s selection) of(values []string) []string {
	if s.keep == nil {
		return values
	}
	out := make([]string, len(s.keep))
	for to, from := range s.keep {
		out[to] = values[from]
	}
	return out
}

// textColumn and categoryColumn make a column of a reader of texts.
func textColumn(read func() ([]string, error)) lazyColumn {
	return func(context.Context) (*Column, error) {
		values, err := read()
		return &Column{Kind: KindString, texts: values}, err
	}
}

func categoryColumn(read func() ([]string, error)) lazyColumn {
	return func(context.Context) (*Column, error) {
		values, err := read()
		if err != nil {
			return nil, err
		}
		c := categorize(values)
		return &Column{Kind: KindCategorical, Categories: c.Names, Codes: c.Codes}, nil
	}
}
