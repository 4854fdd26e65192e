package evaluate

import (
	"context"
	"math"
	"slices"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

// LabelASW is the average silhouette width of cell types, scaled to between 0
// and 1 where 1 is best: (s+1)/2 with s the mean of [Silhouette]. It is scib's
// silhouette (Luecken et al. 2022, doi:10.1038/s41592-021-01336-8).
func LabelASW(ctx context.Context, x neighbors.Matrix, types []string, options Options) (float64, error) {
	s, err := silhouettes(ctx, x, "types", types, options)
	if err != nil {
		return 0, err
	}
	return (Mean(s) + 1) / 2, nil
}

// BatchASW says how well batches are mixed within cell types, between 0 and 1
// where 1 is best. It is scib's silhouette_batch: among the cells of each type,
// 1 - |s| with s the [Silhouette] of the batches; the mean over the cells of the
// type; and the mean over the types. As in scib, a type counts only if its cells
// come from at least two batches and are more than these; where none does, scib
// has no number and BatchASW returns an [*Error].
func BatchASW(ctx context.Context, x neighbors.Matrix, types, batches []string, options Options) (float64, error) {
	group, sizes, err := groupsOf(x, "types", types)
	if err != nil {
		return 0, err
	}
	if _, _, err := groupsOf(x, "batches", batches); err != nil {
		return 0, err
	}
	members := make([][]int, len(sizes))
	for cell, g := range group {
		members[g] = append(members[g], cell)
	}
	var means []float64
	for _, cells := range members {
		of := make([]string, len(cells))
		for i, cell := range cells {
			of[i] = batches[cell]
		}
		distinct := len(slices.Compact(slices.Sorted(slices.Values(of))))
		if distinct == 1 || distinct == len(cells) {
			continue
		}
		part := neighbors.Matrix{Data: make([]float32, 0, len(cells)*x.Cols), Rows: len(cells), Cols: x.Cols}
		for _, cell := range cells {
			part.Data = append(part.Data, x.Row(cell)...)
		}
		s, err := Silhouette(ctx, part, of, options)
		if err != nil {
			return 0, err
		}
		for i, v := range s {
			s[i] = 1 - math.Abs(v)
		}
		means = append(means, Mean(s))
	}
	if len(means) == 0 {
		return 0, invalidf("batches", "no type has cells of two batches and more cells than batches")
	}
	return Mean(means), nil
}
