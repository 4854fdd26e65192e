package scgpt_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

func TestReportAndBaseline(t *testing.T) {
	w := newWorkplace(t)
	train := filepath.Join(w.dir, "train.h5ad")
	data, err := os.ReadFile(filepath.Join(testdata, "cells", "pbmc68k_train.h5ad"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(train, data, 0o600))
	req := api.AnnotationRequest{ExpressionData: w.cells, Out: "a.h5ad", ReportOptions: api.ReportOptions{BaselineData: train}}
	res := must(t, w, api.AnnotateCellTypes, req)
	require.Equal(t, filepath.Join(w.dir, "a.report.html"), res.Report)
	require.Equal(t, filepath.Join(w.dir, "a.cells.csv"), res.CSV)
	require.InDelta(t, 0.810, res.Baseline.Accuracy, 0.01)
	require.InDelta(t, 0.626, res.Baseline.MacroF1, 0.02)
	require.Equal(t, train, res.Baseline.Data)
	page, err := os.ReadFile(res.Report)
	require.NoError(t, err)
	for _, want := range []string{"<h1>pbmc68k_test.h5ad</h1>", "the classifier head of tiny_scgpt", res.Baseline.Method, res.Fingerprint, "MS4A1 in CD19&#43; B"} {
		require.Positive(t, strings.Count(string(page), want), want)
	}
	table, err := os.ReadFile(res.CSV)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(table), "\n"), "\n")
	require.Len(t, lines, 201)
	require.Equal(t, "cell,predicted_labels,conf_score,celltype", lines[0])

	// With a reference, the page says what the confidence is then.
	req.ReferenceDataset, req.Out = "pbmc68k", "b.h5ad"
	page, err = os.ReadFile(must(t, w, api.AnnotateCellTypes, req).Report)
	require.NoError(t, err)
	require.Positive(t, strings.Count(string(page), "the nearest cells of the reference pbmc68k"))

	// The annotated copy alone, with a baseline or without.
	req = api.AnnotationRequest{ExpressionData: w.cells, Out: "c.h5ad", ReportOptions: api.ReportOptions{NoReport: true}}
	res = must(t, w, api.AnnotateCellTypes, req)
	require.Empty(t, res.Report)
	require.Empty(t, res.CSV)
	require.Nil(t, res.Baseline)
	req.BaselineData = train
	res = must(t, w, api.AnnotateCellTypes, req)
	require.False(t, res.FromMemo)
	require.NotNil(t, res.Baseline)
	w.requireFiles(t, "train.h5ad", "a.h5ad", "a.report.html", "a.cells.csv", "b.h5ad", "b.report.html", "b.cells.csv", "c.h5ad")
}

// What is wrong with the data of a baseline is said when the work is planned.
func TestBaselineData(t *testing.T) {
	w := newWorkplace(t)
	unlabelled := filepath.Join(w.dir, "celltypist_sample.h5ad")
	for name, tc := range map[string]struct {
		data, baseline string
		class          retry.Class
		want           string
	}{
		"missing":  {w.cells, "none.h5ad", retry.FileNotFound, "none.h5ad"},
		"outside":  {w.cells, "/etc/passwd", retry.InvalidData, "lies outside"},
		"no truth": {unlabelled, w.cells, retry.InvalidData, "no true types to compare with"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := do(t, w, api.PlanCells, api.PlanRequest{Task: api.TaskAnnotate, ExpressionData: tc.data, BaselineData: tc.baseline})
			require.ErrorContains(t, err, tc.want)
			requireClass(t, tc.class, err)
			_, err = do(t, w, api.AnnotateCellTypes, api.AnnotationRequest{ExpressionData: tc.data, ReportOptions: api.ReportOptions{BaselineData: tc.baseline}})
			require.ErrorContains(t, err, tc.want)
			requireClass(t, tc.class, err)
		})
	}
	w.requireFiles(t)
}
