package scgpt_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/agent/agenttest"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testdata = "../testdata"

// workplace is a folder with cells, and an agent that works in it.
type workplace struct {
	dir    string
	agent  *scgpt.Agent
	cells  string // 200 cells with types
	counts string // 559 cells without
}

func newWorkplace(t *testing.T, change ...func(*scgpt.Options)) *workplace {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	w := &workplace{dir: dir, cells: copyTo(t, dir, "pbmc68k_test.h5ad"), counts: copyTo(t, dir, "celltypist_sample.h5ad")}
	o := scgpt.Options{
		Models: testdata + "/models", DefaultModel: "tiny_scgpt", References: testdata + "/references", Roots: []string{dir},
	}
	for _, c := range change {
		c(&o)
	}
	w.agent = agenttest.Start(t, scgpt.New(o))
	return w
}

func copyTo(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	copyFile(t, filepath.Join(testdata, "cells", name), path)
	return path
}

// do runs one activity of the workplace's agent.
func do[In, Out any](t *testing.T, w *workplace, a agent.Activity[In, Out], in In) (Out, error) {
	t.Helper()
	return agenttest.RunActivity(agenttest.NewEnvironment(t, w.agent), a, in)
}

// must is do for what has to succeed.
func must[In, Out any](t *testing.T, w *workplace, a agent.Activity[In, Out], in In) Out {
	t.Helper()
	out, err := do(t, w, a, in)
	require.NoError(t, err)
	return out
}

func requireClass(t *testing.T, want retry.Class, err error) {
	t.Helper()
	class, _ := retry.ClassOf(err)
	require.Equal(t, want, class, "%v", err)
}

// requireFiles makes sure that the folder holds these names and nothing else.
func (w *workplace) requireFiles(t *testing.T, names ...string) {
	t.Helper()
	var there []string
	require.NoError(t, filepath.WalkDir(w.dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(w.dir, path)
			there = append(there, filepath.ToSlash(rel))
		}
		return err
	}))
	require.ElementsMatch(t, append(names, "pbmc68k_test.h5ad", "celltypist_sample.h5ad"), there)
}

func open(t *testing.T, path string) *anndata.File {
	t.Helper()
	f, err := anndata.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

// column and shape read from a file that they close again: on Windows, one that is
// open cannot be replaced.
func column(t *testing.T, path, name string) []string {
	t.Helper()
	f, err := anndata.Open(path)
	require.NoError(t, err)
	c, err := f.Obs().Column(name)
	require.NoError(t, errors.Join(err, f.Close()))
	return c.Strings()
}

func shape(t *testing.T, path, obsm string) []int {
	t.Helper()
	f, err := anndata.Open(path)
	require.NoError(t, err)
	array, err := f.ObsmArray(t.Context(), obsm)
	require.NoError(t, errors.Join(err, f.Close()))
	return array.Shape
}

func TestAnnotateByClassifier(t *testing.T) {
	w := newWorkplace(t)
	res := must(t, w, api.AnnotateCellTypes, api.AnnotationRequest{ExpressionData: w.cells})
	require.Equal(t, api.MethodClassifier, res.Method)
	require.Equal(t, filepath.Join(w.dir, "out", "pbmc68k_test.annotated.h5ad"), res.Out)
	require.Equal(t, 200, res.Cells)
	require.Len(t, res.UniqueTypes, 10)
	require.InDelta(t, 0.815, res.Truth.Accuracy, 1e-12)
	require.Positive(t, res.BatchTokens)
	require.False(t, res.FromMemo)
	w.requireFiles(t, "out/pbmc68k_test.annotated.h5ad", "out/pbmc68k_test.annotated.report.html", "out/pbmc68k_test.annotated.cells.csv")
	labels := column(t, res.Out, "predicted_labels")
	require.Len(t, labels, 200)

	// With a threshold, the doubtful cells get no label.
	strict := must(t, w, api.AnnotateCellTypes, api.AnnotationRequest{ExpressionData: w.cells, Labels: api.LabelOptions{MinConfidence: 0.9}})
	require.False(t, strict.FromMemo, "another request")
	require.Positive(t, strict.UnassignedCells)
	require.NotContains(t, strict.UniqueTypes, api.Unassigned)
	require.Equal(t, strict.UnassignedCells, strict.Counts[api.Unassigned])
	require.Less(t, strict.Truth.Accuracy, res.Truth.Accuracy)
	for i, l := range column(t, strict.Out, "predicted_labels") {
		require.Contains(t, []string{labels[i], api.Unassigned}, l)
	}
}

func TestAnnotateByReference(t *testing.T) {
	w := newWorkplace(t)
	res := must(t, w, api.AnnotateCellTypes, api.AnnotationRequest{ExpressionData: w.cells, ReferenceDataset: "pbmc68k"})
	require.Equal(t, api.MethodReference, res.Method)
	require.Equal(t, "pbmc68k", res.ReferenceDataset)
	require.Len(t, res.ReferenceFingerprint, 64)
	require.InDelta(t, 0.81, res.Truth.Accuracy, 0.011)
	confidence, err := open(t, res.Out).Obs().Column("conf_score")
	require.NoError(t, err)
	for _, v := range confidence.Floats() {
		require.InDelta(t, v*10, float64(int(v*10+0.5)), 1e-5, "a share of ten neighbours")
	}

	all := must(t, w, api.AnnotateCellTypes, api.AnnotationRequest{
		ExpressionData: w.cells, ReferenceDataset: "pbmc68k", Out: "all.h5ad", Labels: api.LabelOptions{Neighbors: 3, MinConfidence: 1},
	})
	require.Positive(t, all.UnassignedCells)
	require.Equal(t, filepath.Join(w.dir, "all.h5ad"), all.Out)
}

// What is wrong with a request is said with the class that callers act on, and
// leaves nothing behind.
func TestRequestsThatCannotBeMet(t *testing.T) {
	w := newWorkplace(t)
	text := filepath.Join(w.dir, "text.h5ad")
	require.NoError(t, os.WriteFile(text, []byte("not HDF5"), 0o644))
	annotate := func(r api.AnnotationRequest) error { _, err := do(t, w, api.AnnotateCellTypes, r); return err }
	integrate := func(r api.BatchIntegrationRequest) error { _, err := do(t, w, api.IntegrateBatches, r); return err }
	embed := func(r api.CellEmbeddingRequest) error { _, err := do(t, w, api.EmbedCells, r); return err }
	genes := func(r api.EmbeddingRequest) error { _, err := do(t, w, api.GetGeneEmbeddings, r); return err }
	cases := []struct {
		name  string
		err   error
		class retry.Class
		want  string
	}{
		{"missing file", annotate(api.AnnotationRequest{ExpressionData: "none.h5ad"}), retry.FileNotFound, "none.h5ad"},
		{"not HDF5", embed(api.CellEmbeddingRequest{ExpressionData: text}), retry.InvalidData, "text.h5ad"},
		{"unknown model", embed(api.CellEmbeddingRequest{ExpressionData: w.cells, Model: "x"}), retry.ModelNotFound, `there is no model "x"`},
		{"unknown reference", annotate(api.AnnotationRequest{ExpressionData: w.cells, ReferenceDataset: "cellxgene"}), retry.FileNotFound, "reference build --name cellxgene"},
		{"reference by path", annotate(api.AnnotationRequest{ExpressionData: w.cells, ReferenceDataset: "../references/pbmc68k"}), retry.FileNotFound, "there is no reference"},
		{"reference of another checkpoint", annotate(api.AnnotationRequest{ExpressionData: w.cells, Model: "tiny_scgpt_dsbn", ReferenceDataset: "pbmc68k"}), retry.InvalidData, "was built with the checkpoint tiny_scgpt"},
		{"neither reference nor head", annotate(api.AnnotationRequest{ExpressionData: w.cells, Model: "tiny_scgpt_dsbn"}), retry.InvalidData, "use a fine-tuned one; or name a labelled reference in reference_dataset"},
		{"tokens that the reference has not", annotate(api.AnnotationRequest{ExpressionData: w.cells, ReferenceDataset: "pbmc68k", Cells: api.CellOptions{MaxLength: 7}}), retry.InvalidData, "built with max_length = 1200"},
		{"more neighbours than cells", annotate(api.AnnotationRequest{ExpressionData: w.cells, ReferenceDataset: "pbmc68k", Labels: api.LabelOptions{Neighbors: 501}}), retry.InvalidData, "the reference has only 500 cells, but 501 are to vote"},
		{"output is input", embed(api.CellEmbeddingRequest{ExpressionData: w.cells, Out: w.cells}), retry.InvalidData, "out is the input itself"},
		{"output of another format", embed(api.CellEmbeddingRequest{ExpressionData: w.cells, Out: "x.csv"}), retry.InvalidData, "out: x.csv: an .h5ad file is written"},
		{"genes of another format", genes(api.EmbeddingRequest{Out: "x.csv"}), retry.InvalidData, "out: x.csv: an .h5ad file is written"},
		{"output outside", integrate(api.BatchIntegrationRequest{ExpressionData: w.cells, Out: "/x.h5ad"}), retry.InvalidData, "lies outside"},
		{"output below a file", embed(api.CellEmbeddingRequest{ExpressionData: w.cells, Out: filepath.Join(text, "x.h5ad")}), retry.InvalidData, "is a file, not a folder"},
		{"no batches", integrate(api.BatchIntegrationRequest{ExpressionData: w.cells}), retry.InvalidData, `no column "batch"`},
		{"one batch", integrate(api.BatchIntegrationRequest{ExpressionData: w.cells, BatchKey: "one"}), retry.InvalidData, `no column "one"`},
		{"no gene known", genes(api.EmbeddingRequest{Genes: []string{"NOTAGENE"}}), retry.InvalidData, "none of the 1 genes"},
		{"genes outside", genes(api.EmbeddingRequest{Out: "/x.h5ad"}), retry.InvalidData, "lies outside"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			require.ErrorContains(t, c.err, c.want)
			requireClass(t, c.class, c.err)
		})
	}
	w.requireFiles(t, "text.h5ad")
}

func TestEmbedCells(t *testing.T) {
	w := newWorkplace(t)
	res := must(t, w, api.EmbedCells, api.CellEmbeddingRequest{ExpressionData: w.counts, Cells: api.CellOptions{MinGeneShare: 0.1}, Model: "tiny_scgpt_dsbn"})
	require.Equal(t, 559, res.Cells)
	require.Equal(t, 64, res.Dim)
	require.True(t, strings.HasSuffix(res.Out, "celltypist_sample.embedded.h5ad"))
	require.Equal(t, []int{559, 64}, shape(t, res.Out, "X_scGPT"))
}

func TestGeneEmbeddings(t *testing.T) {
	w := newWorkplace(t)
	res := must(t, w, api.GetGeneEmbeddings, api.EmbeddingRequest{IncludeSimilarity: true})
	require.Len(t, res.Genes, 18)
	require.Len(t, res.Vectors, 18)
	require.Len(t, res.Vectors[0], res.Dim)
	require.Len(t, res.Similarity, 18)
	require.InDelta(t, 1, res.Similarity[3][3], 1e-6)
	require.Empty(t, res.Out)
	require.False(t, res.FromMemo)
	again := must(t, w, api.GetGeneEmbeddings, api.EmbeddingRequest{IncludeSimilarity: true})
	require.True(t, again.FromMemo)
	again.FromMemo, again.Seconds = false, res.Seconds
	require.Equal(t, res, again)
	w.requireFiles(t)

	// Many are written to a file, also the second time.
	f := open(t, w.cells)
	names, err := f.Var().Index()
	require.NoError(t, err)
	for i, out := range []string{"a.h5ad", "b.h5ad"} {
		many := must(t, w, api.GetGeneEmbeddings, api.EmbeddingRequest{Genes: names, Out: out})
		require.Equal(t, i == 1, many.FromMemo)
		require.Equal(t, filepath.Join(w.dir, out), many.Out)
		require.Empty(t, many.Vectors)
		require.Len(t, many.Genes, 705)
		require.Equal(t, 705, open(t, many.Out).NObs())
	}
	w.requireFiles(t, "a.h5ad", "b.h5ad")
}

// withColumn writes a copy of the cells with another column of obs.
func (w *workplace) withColumn(t *testing.T, from, name string, value func(cell int) string) string {
	t.Helper()
	f, err := anndata.Open(from)
	require.NoError(t, err)
	defer f.Close()
	values := make([]string, f.NObs())
	for i := range values {
		values[i] = value(i)
	}
	out := filepath.Join(t.TempDir(), "with_"+name+".h5ad")
	require.NoError(t, anndata.Copy(t.Context(), f, out, anndata.Additions{Obs: []anndata.NewColumn{{Name: name, Values: values}}}))
	path := filepath.Join(w.dir, filepath.Base(out))
	require.NoError(t, os.Rename(out, path))
	return path
}

func TestIntegrateBatches(t *testing.T) {
	w := newWorkplace(t)
	two := func(i int) string { return []string{"pbmc68k_reduced", "celltypist_sample"}[i%2] }
	data := w.withColumn(t, w.cells, "batch", two)
	req := api.BatchIntegrationRequest{ExpressionData: data, Model: "tiny_scgpt_dsbn", NHVG: 100}
	res := must(t, w, api.IntegrateBatches, req)
	require.Equal(t, map[string]int{"pbmc68k_reduced": 100, "celltypist_sample": 100}, res.Batches)
	require.True(t, res.Domains)
	require.Equal(t, 100, res.Genes)
	require.Equal(t, "cell_ranger", res.Flavor)
	require.Equal(t, 64, res.Dim)
	for name, m := range map[string]api.IntegrationMetrics{"before": res.Before, "after": res.After} {
		require.Equal(t, 200, m.Cells, name)
		require.Greater(t, *m.BatchASW, 0.0, name)
		require.LessOrEqual(t, *m.BatchASW, 1.0, name)
		require.InDelta(t, (*m.BatchASW+*m.GraphConnectivity)/2, *m.AvgBATCH, 1e-12, name)
		require.NotNil(t, m.Labels, name)
		require.Equal(t, "celltype", m.Labels.Column, name)
		require.InDelta(t, (m.Labels.NMI+m.Labels.ARI+m.Labels.ASW)/3, m.Labels.AvgBIO, 1e-12, name)
	}
	// Every second cell is of the other batch: before, they are mixed.
	require.Greater(t, *res.Before.BatchASW, 0.9)
	require.Equal(t, []int{200, 64}, shape(t, res.Out, "X_scGPT"))
	require.True(t, must(t, w, api.IntegrateBatches, req).FromMemo)

	// A model without domains treats batches alike, and a file without types
	// is measured over all cells.
	counts := w.withColumn(t, w.counts, "donor", func(i int) string { return []string{"a", "b", "c"}[i%3] })
	res = must(t, w, api.IntegrateBatches, api.BatchIntegrationRequest{ExpressionData: counts, BatchKey: "donor", NHVG: 50})
	require.False(t, res.Domains)
	require.Equal(t, "seurat_v3", res.Flavor)
	require.Nil(t, res.After.Labels)
	require.Equal(t, 559, res.After.Cells)

	one := w.withColumn(t, w.cells, "same", func(int) string { return "a" })
	_, err := do(t, w, api.IntegrateBatches, api.BatchIntegrationRequest{ExpressionData: one, BatchKey: "same"})
	require.ErrorContains(t, err, "there is nothing to integrate")
	requireClass(t, retry.InvalidData, err)
	_, err = do(t, w, api.PlanCells, api.PlanRequest{Task: api.TaskIntegrate, ExpressionData: one, BatchKey: "same"})
	require.ErrorContains(t, err, "there is nothing to integrate", "before shards are embedded")
	requireClass(t, retry.InvalidData, err)
}

// writeFolder writes a folder as 10x Genomics does, of the genes CD3D and LYZ.
func writeFolder(t *testing.T, field string, cells int, entries string) string {
	t.Helper()
	folder := t.TempDir()
	var barcodes strings.Builder
	for i := range cells {
		fmt.Fprintf(&barcodes, "%d-1\n", i)
	}
	for name, text := range map[string]string{
		"features.tsv": "E1\tCD3D\tGene Expression\nE2\tLYZ\tGene Expression\n",
		"barcodes.tsv": barcodes.String(),
		"matrix.mtx":   fmt.Sprintf("%%%%MatrixMarket matrix coordinate %s general\n2 %d %d\n%s", field, cells, strings.Count(entries, "\n"), entries),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	return folder
}

// Counts that are not whole are told wherever a result rests on them.
func TestCorrectedCounts(t *testing.T) {
	w := newWorkplace(t)
	var entries strings.Builder
	for i := range 24 {
		fmt.Fprintf(&entries, "1 %d %d.5\n2 %d %d\n", i+1, 1+i%5, i+1, 30+i)
	}
	data := w.withColumn(t, writeFolder(t, "real", 24, entries.String()), "batch", func(i int) string { return []string{"a", "b"}[i%2] })
	const warning = "the values of X are not all whole, but some are above 30, which logarithms do not reach"
	has := func(warnings []string) {
		t.Helper()
		require.Len(t, warnings, 1)
		require.Contains(t, warnings[0], warning)
	}
	res := must(t, w, api.AnnotateCellTypes, api.AnnotationRequest{ExpressionData: data, Labels: api.LabelOptions{MinConfidence: 1}})
	has(res.Warnings)
	page, err := os.ReadFile(res.Report)
	require.NoError(t, err)
	require.Contains(t, string(page), "T"+warning[1:])
	require.Equal(t, 24, res.UnassignedCells)
	clusters := must(t, w, api.ClusterCells, api.ClusterRequest{Annotated: res.Out, MinCells: 2})
	require.NotEmpty(t, clusters.Clusters)
	has(clusters.Warnings)
	has(must(t, w, api.IntegrateBatches, api.BatchIntegrationRequest{ExpressionData: data, NHVG: 2}).Warnings)

	noReport := api.AnnotationRequest{ExpressionData: data, ReportOptions: api.ReportOptions{NoReport: true}}
	require.Empty(t, must(t, w, api.AnnotateCellTypes, noReport).Warnings, "labels do not depend on amounts")
}

// Columns of another tool that the copy replaces are told, those of a run before not.
func TestReplacedColumns(t *testing.T) {
	w := newWorkplace(t)
	data := w.withColumn(t, w.cells, "predicted_labels", func(int) string { return "T" })
	noReport := api.ReportOptions{NoReport: true}
	res := must(t, w, api.AnnotateCellTypes, api.AnnotationRequest{ExpressionData: data, ReportOptions: noReport})
	require.Equal(t, []string{`obs["predicted_labels"] was in the input and is replaced in the copy`}, res.Warnings)
	again := must(t, w, api.AnnotateCellTypes, api.AnnotationRequest{ExpressionData: res.Out, ReportOptions: noReport})
	require.Empty(t, again.Warnings)
}

// What cannot be measured does not keep a file from being written.
func TestIntegrateUnmeasured(t *testing.T) {
	w := newWorkplace(t)
	batches := w.withColumn(t, w.counts, "donor", func(i int) string { return []string{"a", "b"}[i%2] })
	data := w.withColumn(t, batches, "cell_type", func(int) string { return "" })
	res := must(t, w, api.IntegrateBatches, api.BatchIntegrationRequest{ExpressionData: data, BatchKey: "donor", NHVG: 50})
	require.Equal(t, []string{"how well types keep apart cannot be measured: 0 cells have a type, want at least 3"}, res.Warnings)
	require.Equal(t, 559, res.After.Cells)
	require.NotNil(t, res.After.AvgBATCH)
	require.Nil(t, res.After.Labels)
	require.Equal(t, []int{559, 64}, shape(t, res.Out, "X_scGPT"))

	alone := w.withColumn(t, writeFolder(t, "integer", 3, "1 1 5\n2 1 3\n1 2 7\n2 3 4\n"), "alone", func(i int) string { return fmt.Sprint(i) })
	res = must(t, w, api.IntegrateBatches, api.BatchIntegrationRequest{ExpressionData: alone, BatchKey: "alone", NHVG: 2})
	require.Equal(t, api.IntegrationMetrics{}, res.Before)
	require.Equal(t, api.IntegrationMetrics{}, res.After)
	require.Equal(t, []string{
		"how batches mix cannot be measured: no type has cells of two batches and more cells than batches",
	}, res.Warnings)
	require.Equal(t, []int{3, 64}, shape(t, res.Out, "X_scGPT"))
}

// A request that was met before is met from memory, or by another worker from the
// folder that both share, with the same bytes at the path that it names.
func TestMemo(t *testing.T) {
	shared := t.TempDir()
	w := newWorkplace(t, func(o *scgpt.Options) { o.Memo = shared })
	first := must(t, w, api.AnnotateCellTypes, api.AnnotationRequest{ExpressionData: w.cells, Out: "a.h5ad"})
	require.False(t, first.FromMemo)
	check := func(w *workplace, out string, wantHit bool, change ...func(*api.AnnotationRequest)) {
		t.Helper()
		req := api.AnnotationRequest{ExpressionData: w.cells, Out: out}
		for _, c := range change {
			c(&req)
		}
		res := must(t, w, api.AnnotateCellTypes, req)
		require.Equal(t, wantHit, res.FromMemo)
		require.Equal(t, filepath.Join(w.dir, out), res.Out)
		if wantHit {
			requireSame(t, first.Report, res.Report)
			requireSame(t, first.CSV, res.CSV)
			res.Out, res.Report, res.CSV, res.FromMemo, res.Seconds = first.Out, first.Report, first.CSV, false, first.Seconds
			require.Equal(t, first, res)
			requireSame(t, first.Out, filepath.Join(w.dir, out))
		}
	}
	check(w, "b.h5ad", true)
	other := newWorkplace(t, func(o *scgpt.Options) { o.Memo = shared })
	check(other, "c.h5ad", true)
	check(newWorkplace(t), "d.h5ad", false)
	check(newWorkplace(t, func(o *scgpt.Options) { o.Memo, o.NoMemo = shared, true }), "e.h5ad", false)
	check(w, "f.h5ad", false, func(r *api.AnnotationRequest) { r.NoMemo = true })
	check(w, "g.h5ad", false, func(r *api.AnnotationRequest) { r.Cells.Ties = "left" })
	check(w, "h.h5ad", false, func(r *api.AnnotationRequest) { r.ReferenceDataset = "pbmc68k" })

	// Other cells under the same name are other cells.
	data, err := os.ReadFile(filepath.Join(testdata, "cells", "pbmc68k_train.h5ad"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(w.cells, data, 0o644))
	check(w, "i.h5ad", false)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, data, 0o644))
}

func requireSame(t *testing.T, want, got string) {
	t.Helper()
	a, err := os.ReadFile(want)
	require.NoError(t, err)
	b, err := os.ReadFile(got)
	require.NoError(t, err)
	if !bytes.Equal(a, b) { // not require.Equal, which would print both
		require.Fail(t, "files differ", "%s and %s", want, got)
	}
}

var noReport = api.ReportOptions{NoReport: true}

func TestClustersOfCellsWithoutALabel(t *testing.T) {
	w := newWorkplace(t)
	annotated := must(t, w, api.AnnotateCellTypes, api.AnnotationRequest{
		ExpressionData: w.cells, ReferenceDataset: "pbmc68k", Out: "x.h5ad", ReportOptions: noReport, Labels: api.LabelOptions{Neighbors: 400, MinConfidence: 0.9},
	})
	require.Equal(t, 200, annotated.UnassignedCells, "no label is that of nine tenths of so many")
	found := must(t, w, api.ClusterCells, api.ClusterRequest{Annotated: annotated.Out})
	require.Equal(t, 200, found.UnassignedCells)
	require.GreaterOrEqual(t, len(found.Clusters), 3)
	require.Equal(t, filepath.Join(w.dir, "x.clusters.csv"), found.Assignments)
	total := 0
	marks := map[string]string{}
	for i, c := range found.Clusters {
		total += c.Cells
		require.GreaterOrEqual(t, c.Cells, 10)
		if i > 0 {
			require.LessOrEqual(t, c.Cells, found.Clusters[i-1].Cells)
		}
		require.NotEmpty(t, c.Genes)
		for _, g := range c.Genes[:5] {
			marks[g] = c.ID
		}
	}
	require.LessOrEqual(t, total, 200)
	require.Contains(t, marks, "CD79A", "B cells are a cluster of their own")

	named := found.Clusters
	for i := range named {
		named[i].Name, named[i].Confidence = "name of "+named[i].ID, 0.5
	}
	res := must(t, w, api.NameCells, api.NameCellsRequest{Annotated: annotated.Out, Assignments: found.Assignments, Clusters: named})
	require.Equal(t, total, res.Cells)
	clusters, names := column(t, annotated.Out, "troupe_cluster"), column(t, annotated.Out, "troupe_cluster_name")
	table, err := os.ReadFile(found.Assignments)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(table)), "\n")
	require.Len(t, lines, 201)
	require.Equal(t, "cell,cluster,name,confidence", lines[0])
	for i, c := range clusters {
		want := fmt.Sprintf("%d,,,", i)
		if c != "" {
			require.Equal(t, "name of "+c, names[i])
			want = fmt.Sprintf("%d,%s,name of %s,0.5", i, c, c)
		}
		require.Equal(t, want, lines[i+1])
	}
	require.Len(t, column(t, annotated.Out, "predicted_labels"), 200)

	// Once more gives the same, to the byte; of fewer clusters than the table speaks of, or
	// of another file, none of it is done.
	once := filepath.Join(t.TempDir(), "once.h5ad")
	copyFile(t, annotated.Out, once)
	again := must(t, w, api.NameCells, api.NameCellsRequest{Annotated: annotated.Out, Assignments: found.Assignments, Clusters: named})
	require.Equal(t, res, again)
	requireSame(t, once, annotated.Out)
	other := slices.Clone(named)
	other[0].Name = "another name"
	must(t, w, api.NameCells, api.NameCellsRequest{Annotated: annotated.Out, Assignments: found.Assignments, Clusters: other})
	require.Contains(t, column(t, annotated.Out, "troupe_cluster_name"), "another name")
	_, err = do(t, w, api.NameCells, api.NameCellsRequest{Annotated: annotated.Out, Assignments: found.Assignments, Clusters: named[:1]})
	requireClass(t, retry.InvalidData, err)
	_, err = do(t, w, api.NameCells, api.NameCellsRequest{Annotated: w.counts, Assignments: found.Assignments, Clusters: named})
	requireClass(t, retry.InvalidData, err)
	require.ErrorContains(t, err, "the file has changed")
	_, err = do(t, w, api.ClusterCells, api.ClusterRequest{Annotated: w.cells})
	requireClass(t, retry.InvalidData, err)
	require.ErrorContains(t, err, `no column "predicted_labels"`)

	few := must(t, w, api.AnnotateCellTypes, api.AnnotationRequest{ExpressionData: w.cells, ReferenceDataset: "pbmc68k", Out: "y.h5ad", ReportOptions: noReport})
	none := must(t, w, api.ClusterCells, api.ClusterRequest{Annotated: few.Out})
	require.Empty(t, none.Clusters)
	require.Empty(t, none.Assignments)
	w.requireFiles(t, "x.h5ad", "x.clusters.csv", "y.h5ad")
}

// A folder of 10x Genomics is one input: what its files hold is what is remembered of
// it, and none of them may lie outside of the roots.
func TestFolderOf10x(t *testing.T) {
	w := newWorkplace(t)
	folder := filepath.Join(w.dir, "filtered")
	require.NoError(t, os.Mkdir(folder, 0o755))
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644))
	}
	req := api.CellEmbeddingRequest{ExpressionData: "filtered"}
	_, err := do(t, w, api.EmbedCells, req)
	require.ErrorContains(t, err, "a folder without matrix.mtx")
	requireClass(t, retry.InvalidData, err)

	write("features.tsv", "E1\tCD3D\tGene Expression\nE2\tLYZ\tGene Expression\n")
	write("barcodes.tsv", "A-1\nB-1\n")
	const head = "%%MatrixMarket matrix coordinate integer general\n2 2 2\n"
	write("matrix.mtx", head+"1 1 5\n2 2 3\n")
	res := must(t, w, api.EmbedCells, req)
	require.Equal(t, filepath.Join(w.dir, "out", "filtered.embedded.h5ad"), res.Out)
	require.Equal(t, 2, res.Cells)
	require.Equal(t, []int{2, 64}, shape(t, res.Out, "X_scGPT"))
	require.True(t, must(t, w, api.EmbedCells, req).FromMemo)
	write("matrix.mtx", head+"1 1 5\n2 2 4\n")
	require.False(t, must(t, w, api.EmbedCells, req).FromMemo, "the folder holds something else")
	plan := must(t, w, api.PlanCells, api.PlanRequest{Task: api.TaskEmbed, ExpressionData: "filtered"})
	require.Equal(t, 2, plan.NObs)

	if runtime.GOOS == "windows" {
		return // links want a right there
	}
	outside := filepath.Join(t.TempDir(), "barcodes.tsv")
	require.NoError(t, os.Rename(filepath.Join(folder, "barcodes.tsv"), outside))
	require.NoError(t, os.Symlink(outside, filepath.Join(folder, "barcodes.tsv")))
	_, err = do(t, w, api.EmbedCells, req)
	require.ErrorContains(t, err, "lies outside")
	requireClass(t, retry.InvalidData, err)
}
