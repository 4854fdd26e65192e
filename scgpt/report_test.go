package scgpt_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/agent/agenttest"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
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
	alien := filepath.Join(w.dir, "alien.h5ad")
	require.NoError(t, anndata.Write(t.Context(), alien, anndata.Results{
		ObsIndex: []string{"a"}, Obs: []anndata.NewColumn{{Name: "cell_type", Values: []string{"T"}}}, VarIndex: []string{"gene of Mars"},
	}))
	for name, tc := range map[string]struct {
		data, baseline string
		class          retry.Class
		want           string
	}{
		"missing":        {w.cells, "none.h5ad", retry.FileNotFound, "none.h5ad"},
		"outside":        {w.cells, "/etc/passwd", retry.InvalidData, "lies outside"},
		"no types":       {w.cells, unlabelled, retry.InvalidData, `obs has none of the columns "celltype", "cell_type" for the types of a reference`},
		"no common gene": {w.cells, alien, retry.InvalidData, "no gene has the name of one in"},
		"no truth":       {unlabelled, w.cells, retry.InvalidData, "no true types to compare with"},
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
	w.requireFiles(t, "alien.h5ad")
}

// The baseline's types need not be in a column of the name that those of the cells
// have.
func TestBaselineOfAnotherColumn(t *testing.T) {
	w := newWorkplace(t)
	train := copyTo(t, w.dir, "pbmc68k_train.h5ad")
	types := column(t, w.cells, "celltype")
	data := w.withColumn(t, w.cells, "cell_type", func(i int) string { return types[i] })
	options := api.ReportOptions{BaselineData: train, NoReport: true}
	res := must(t, w, api.AnnotateCellTypes, api.AnnotationRequest{ExpressionData: data, Cells: api.CellOptions{LabelColumn: "cell_type"}, ReportOptions: options})
	require.Equal(t, "cell_type", res.Truth.Column)
	require.InDelta(t, 0.810, res.Baseline.Accuracy, 0.01)
}

// What would keep the last step from doing its work is said before the first.
func TestRequestsAreCheckedBeforeTheWork(t *testing.T) {
	w := newWorkplace(t)
	labels := api.LabelOptions{Neighbors: 501}
	noTypes := api.ReportOptions{BaselineData: w.counts}
	for name, tc := range map[string]struct {
		run  func(*agenttest.Environment) error
		want string
	}{
		"neighbours of an analysis": {func(env *agenttest.Environment) error {
			_, err := agenttest.Run(env, api.Analysis, api.AnalysisWorkflowRequest{ExpressionData: w.cells, ReferenceDataset: "pbmc68k", Labels: labels})
			return err
		}, "the reference has only 500 cells, but 501 are to vote (neighbors): leave that out for 10, or take a larger reference"},
		"neighbours of an annotation": {func(env *agenttest.Environment) error {
			_, err := agenttest.Run(env, api.Annotation, api.AnnotationRequest{ExpressionData: w.cells, ReferenceDataset: "pbmc68k", Labels: labels})
			return err
		}, "the reference has only 500 cells, but 501 are to vote"},
		"baseline of an analysis": {func(env *agenttest.Environment) error {
			_, err := agenttest.Run(env, api.Analysis, api.AnalysisWorkflowRequest{ExpressionData: w.cells, ReportOptions: noTypes})
			return err
		}, "for the types of a reference"},
		"baseline of an annotation": {func(env *agenttest.Environment) error {
			_, err := agenttest.Run(env, api.Annotation, api.AnnotationRequest{ExpressionData: w.cells, ReportOptions: noTypes})
			return err
		}, "for the types of a reference"},
	} {
		t.Run(name, func(t *testing.T) {
			env := agenttest.NewEnvironment(t, w.agent)
			labelled := agenttest.Mock(env, api.AnnotateCellTypes)
			err := tc.run(env)
			require.ErrorContains(t, err, tc.want)
			requireClass(t, retry.InvalidData, err)
			require.Empty(t, labelled.Calls())
		})
	}
	w.requireFiles(t)
}
