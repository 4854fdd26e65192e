package scgpt

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

func TestFoundIsMarkdownThatHostileNamesCannotLeave(t *testing.T) {
	r := &cellRun{}
	r.found(api.AnnotationResponse{
		UniqueTypes: []string{"B", "NK`\n# [x](javascript:alert(1))", "T"}, Counts: map[string]int{"B": 3, "NK`\n# [x](javascript:alert(1))": 1, "T": 5, "unassigned": 2},
		UnassignedCells: 2, MeanConfidence: 0.75, Out: "out/a.h5ad", Report: "out/a.report.html", CSV: "out/a.cells.csv",
		Truth: &api.Truth{Accuracy: 0.5, MacroF1: 0.25, Cells: 10}, Baseline: &api.Baseline{Accuracy: 0.75, MacroF1: 0.7},
		GeneMatch: api.GeneMatch{Matched: 8, Total: 9},
	})
	require.Equal(t, []string{
		"3 cell types, mean confidence 0.750: `T` 5, `B` 3, `NK''# [x](javascript:alert(1))` 1; 2 cells unassigned",
		"Accuracy 0.500, macro F1 0.250 on 10 cells with a true type; the baseline reaches 0.750 and 0.700",
		"8 of 9 genes are in the model's vocabulary",
		"`out/a.h5ad`", "`out/a.report.html`", "`out/a.cells.csv`",
	}, r.outcome)
}
