package engine

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/seed-ab6af24b/troupe/scgpt/report"
)

// Markers returns the expression of genes in the cells of each type: the means
// of log-normalised values, to which counts are turned. types has one for each
// cell, "" for none. Genes are found by the index of var, or by the column with
// their symbols; those that the file lacks are left out, and nil is returned where
// it lacks all. The types are in the order of their numbers of cells. The file is
// read twice; see [Cells.Warnings].
func (c *Cells) Markers(ctx context.Context, genes, types []string) (*report.Markers, error) {
	columns, found, err := c.columnsOf(genes)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	m := &report.Markers{Genes: found, Types: typesByCount(types)}
	row := map[string]int{}
	cells := make([]int, len(m.Types))
	for i, t := range m.Types {
		row[t] = i
		m.Fraction = append(m.Fraction, make([]float64, len(found)))
		m.Mean = append(m.Mean, make([]float64, len(found)))
	}
	x, err := c.logNormalized(ctx)
	if err != nil {
		return nil, err
	}
	err = x.each(ctx, func(cell int, at []int32, values []float32) error {
		r, ok := row[types[cell]]
		if !ok {
			return nil
		}
		cells[r]++
		for k, column := range at {
			// The value of a gene that the model does not know may be
			// anything.
			if v := float64(values[k]); v != 0 && !math.IsNaN(v) && !math.IsInf(v, 0) {
				if g, ok := columns[column]; ok {
					m.Fraction[r][g]++
					m.Mean[r][g] += v
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for r, n := range cells {
		for g := range found {
			m.Fraction[r][g] /= float64(max(n, 1))
			m.Mean[r][g] /= float64(max(n, 1))
		}
	}
	return m, nil
}

// columnsOf finds genes in var: the number among those found by their column.
func (c *Cells) columnsOf(genes []string) (columns map[int32]int, found []string, err error) {
	v := c.file.Var()
	names, err := v.Index()
	if err != nil {
		return nil, nil, err
	}
	columns = map[int32]int{}
	lists := [][]string{names}
	if i := slices.IndexFunc(symbolColumns, v.Has); i >= 0 {
		col, err := v.Column(symbolColumns[i])
		if err != nil {
			return nil, nil, err
		}
		lists = append(lists, col.Strings())
	}
	for _, g := range genes {
		for _, list := range lists {
			at := slices.IndexFunc(list, func(name string) bool { return strings.EqualFold(name, g) })
			if at < 0 {
				continue
			}
			if _, twice := columns[int32(at)]; !twice {
				columns[int32(at)] = len(found)
				found = append(found, g)
			}
			break
		}
	}
	return columns, found, nil
}
