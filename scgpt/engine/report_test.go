package engine_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/report"
)

func TestReport(t *testing.T) {
	t.Parallel()
	eng := load(t, "tiny_scgpt", compute.Options{})
	c := open(t, eng, pbmc, engine.Options{Task: engine.Annotate})
	emb, err := c.Embed(t.Context(), 0, c.Len(), nil)
	require.NoError(t, err)
	labels, err := eng.Label(emb)
	require.NoError(t, err)
	truth, err := c.Truth("", nil)
	require.NoError(t, err)
	baseline, err := engine.NewBaseline(t.Context(), train, pbmc, engine.BaselineOptions{})
	require.NoError(t, err)
	known := eng.Known([]string{"CD3D", "no such gene", "MS4A1", "LYZ"})
	require.Equal(t, []string{"CD3D", "MS4A1", "LYZ"}, known)
	vectors, err := eng.Genes(known)
	require.NoError(t, err)
	options := engine.ReportOptions{
		Truth: truth, Baseline: baseline, Genes: []string{"CD3D", "no such gene", "MS4A1", "LYZ"}, Input: "0123abcd",
		Vectors:    vectors,
		Provenance: engine.Provenance{Agent: "scgpt", Version: "1", Model: eng.Name(), Fingerprint: eng.Fingerprint(), Device: eng.Class()},
	}
	r, err := c.Report(t.Context(), emb, labels, options)
	require.NoError(t, err)
	require.Equal(t, "pbmc68k_test.h5ad", r.Title)
	require.Len(t, r.Cells, 200)
	require.Equal(t, 200, r.Embedding.Rows)
	require.Equal(t, truth.Types, r.Truth)
	require.Equal(t, "celltype", r.TruthKey)
	require.Equal(t, []string{"CD3D", "MS4A1", "LYZ"}, r.Similarity.Genes)
	require.Equal(t, 705, r.Genes.Matched)
	require.Empty(t, r.Notes)
	require.Equal(t, "the classifier head of tiny_scgpt", r.Method)
	require.Contains(t, r.ConfidenceMeaning, "softmax")
	require.Contains(t, r.Provenance, report.Fact{Name: "Input SHA-256", Value: "0123abcd"})
	require.Contains(t, r.Provenance, report.Fact{Name: "Model fingerprint", Value: eng.Fingerprint()})
	require.Contains(t, r.Provenance, report.Fact{Name: "Device", Value: eng.Class()})
	var first, second bytes.Buffer
	require.NoError(t, r.WriteHTML(t.Context(), &first))
	again, err := c.Report(t.Context(), emb, labels, options)
	require.NoError(t, err)
	require.NoError(t, again.WriteHTML(t.Context(), &second))
	require.True(t, bytes.Equal(first.Bytes(), second.Bytes()))
	require.Less(t, first.Len(), 150_000)

	// What is not there is not shown.
	r, err = c.Report(t.Context(), emb, labels, engine.ReportOptions{})
	require.NoError(t, err)
	require.Nil(t, r.Truth)
	require.Nil(t, r.Baseline)
	require.Nil(t, r.Markers)
	require.Nil(t, r.Similarity)
	require.NoError(t, r.WriteHTML(t.Context(), &bytes.Buffer{}))

	r, err = c.Report(t.Context(), emb, labels, engine.ReportOptions{Reference: "blood"})
	require.NoError(t, err)
	require.Equal(t, "the nearest cells of the reference blood, as tiny_scgpt sees them", r.Method)
	require.Contains(t, r.ConfidenceMeaning, "share of the nearest cells")
}

// The figures are those of a plain loop over the file's matrix.
func TestMarkers(t *testing.T) {
	t.Parallel()
	eng := load(t, "tiny_scgpt", compute.Options{})
	c := open(t, eng, pbmc, engine.Options{Task: engine.Annotate})
	truth, err := c.Truth("", nil)
	require.NoError(t, err)
	truth.Types[3] = ""
	m, err := c.Markers(t.Context(), []string{"no such gene", "LYZ", "ms4a1", "LYZ"}, truth.Types)
	require.NoError(t, err)
	require.Equal(t, []string{"LYZ", "ms4a1"}, m.Genes)
	require.Len(t, m.Types, 10)
	require.Equal(t, "Dendritic", m.Types[0])

	f, err := anndata.Open(pbmc)
	require.NoError(t, err)
	defer f.Close()
	names, err := f.Var().Index()
	require.NoError(t, err)
	x, err := f.X()
	require.NoError(t, err)
	b, err := x.Rows(t.Context(), 0, x.NRows())
	require.NoError(t, err)
	cells, expressing, sum := 0, 0, 0.0
	for i := range b.NRows() {
		if truth.Types[i] != "CD19+ B" {
			continue
		}
		cells++
		columns, values := b.Row(i)
		for k, j := range columns {
			if names[j] == "MS4A1" {
				expressing++
				sum += float64(values[k])
			}
		}
	}
	for i, name := range m.Types {
		if name == "CD19+ B" {
			require.InDelta(t, float64(expressing)/float64(cells), m.Fraction[i][1], 1e-12)
			require.InDelta(t, sum/float64(cells), m.Mean[i][1], 1e-12)
			require.Greater(t, m.Fraction[i][1], 0.5)
		}
	}

	none, err := c.Markers(t.Context(), []string{"no such gene"}, truth.Types)
	require.NoError(t, err)
	require.Nil(t, none)
}

// Counts are log-normalised for the figures.
func TestMarkersOfCounts(t *testing.T) {
	t.Parallel()
	eng := load(t, "tiny_scgpt", compute.Options{})
	c := open(t, eng, testdata+"/cells/celltypist_sample.h5ad", engine.Options{Task: engine.Annotate})
	types := make([]string, c.Len())
	for i := range types {
		types[i] = "all"
	}
	m, err := c.Markers(t.Context(), []string{"LYZ"}, types)
	require.NoError(t, err)
	require.Greater(t, m.Mean[0][0], 0.1)
	require.Less(t, m.Mean[0][0], 10.0, "the greatest log of 10,000 is 9.2")
}
