package model

import (
	"cmp"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	_ "github.com/seed-ab6af24b/troupe/scgpt/compute/computetest"
	_ "github.com/seed-ab6af24b/troupe/scgpt/compute/cpu"
	"github.com/seed-ab6af24b/troupe/scgpt/model/modeltest/golden"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

// The goldens of what lies within the model, and those that take a slow device
// minutes; those of what comes out of it are
// in modeltest.
const tolerance = 1e-5

const testdata = "../../testdata"

func openCheckpoint(t testing.TB, name string) *checkpoint.Checkpoint {
	return openFolder(t, filepath.Join("models", name))
}

func openFolder(t testing.TB, name string) *checkpoint.Checkpoint {
	ck, err := checkpoint.Open(filepath.Join(testdata, name))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ck.Close()) })
	return ck
}

func openDevice(t testing.TB, name string, opts compute.Options) compute.Device {
	dev, err := compute.Open(name, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dev.Close()) })
	return dev
}

func loadModel(t testing.TB, dev compute.Device, ck *checkpoint.Checkpoint) *Model {
	m, err := Load(dev, ck)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// requireClose compares numbers with an absolute tolerance.
func requireClose(t *testing.T, want, got []float32, tol float64, what string) {
	t.Helper()
	golden.RequireClose(t, want, got, tol, what)
}

func TestGoldensWithin(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"cpu", "cpu:generic", "reference"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testLayersGolden(t, openDevice(t, name, compute.Options{}))
			testScalingGolden(t, openDevice(t, name, compute.Options{}))
		})
	}
}

// layerByLayer returns the input of the first layer and the output of each.
func layerByLayer(t *testing.T, m *Model, b tokens.Packed) [][]float32 {
	s := newScope(t.Context(), m.dev)
	defer s.free()
	p := newPiece(s, b, 0, b.Cells())
	in := m.input(s, p)
	h := m.embed(s, in, 0)
	var trace [][]float32
	for i := 0; ; i++ {
		x := make([]float32, b.Tokens()*m.EmbSize())
		s.read(x, h)
		trace = append(trace, x)
		if i == len(m.layers) {
			break
		}
		m.runLayers(s, h, in, p, i, i+1)
	}
	require.NoError(t, s.err)
	return trace
}

// Cells of up to thousands of tokens, and a model with categories for values.
func TestMoreGoldens(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T, compute.Device){
		"category": testCategoryGolden, "long cells": testLongCellsGolden, "ranks": testRanksGolden, "pooled logits": testPooledLogitsGolden,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, openDevice(t, "cpu", compute.Options{}))
		})
	}
}

func testLayersGolden(t *testing.T, dev compute.Device) {
	g := golden.Open(t, testdata, "annotation")
	ck := openCheckpoint(t, "tiny_scgpt")
	m := loadModel(t, dev, ck)
	b, _ := golden.Unpadded(g.Rows("token_ids"), g.IDs("token_ids"), g.Floats("values_mid"), ck.Vocab().Pad())
	n := b.Offsets[1]
	b = tokens.Packed{IDs: b.IDs[:n], Values: b.Values[:n], Offsets: b.Offsets[:2]}

	genes, err := m.GeneEmbeddings(b.IDs)
	require.NoError(t, err)
	requireClose(t, g.Floats("layer_gene_emb"), genes, tolerance, "layer_gene_emb")

	table := make([]float32, m.values.table.Rows()*m.EmbSize())
	require.NoError(t, m.dev.Read(t.Context(), table, m.values.table))
	requireClose(t, g.Floats("w_value_table"), table, tolerance, "w_value_table")

	trace := layerByLayer(t, m, b)
	for i, name := range []string{"layer_h0", "layer_h1", "layer_h2", "layer_h3", "layer_h4"} {
		requireClose(t, g.Floats(name), trace[i], tolerance, name)
	}

	g = golden.Open(t, testdata, "attention_grn")
	b, _ = golden.Unpadded(g.Rows("token_ids"), g.IDs("token_ids"), g.Floats("values"), -1)
	requireClose(t, g.Floats("h_in_last"), layerByLayer(t, m, b)[len(m.layers)-1], tolerance, "h_in_last")
}

// The checkpoint with its value encoder replaced by the style scaling.
func testScalingGolden(t *testing.T, dev compute.Device) {
	g := golden.Open(t, testdata, "pooling")
	ck := openCheckpoint(t, "tiny_scgpt")
	scaled := loadModel(t, dev, ck)
	scaled.values, scaled.tables = valueEncoder{style: checkpoint.Scaling}, nil
	b, _ := golden.Unpadded(g.Rows("token_ids"), g.IDs("token_ids"), g.Floats("values"), ck.Vocab().Pad())
	out, err := scaled.Forward(t.Context(), b, Options{})
	require.NoError(t, err)
	requireClose(t, g.Floats("scaling_cell_emb"), out.CellEmbeddings, tolerance, "scaling_cell_emb")
}

// classify runs the classifier on embeddings.
func classify(t *testing.T, m *Model, embeddings []float32) []float32 {
	s := newScope(t.Context(), m.dev)
	defer s.free()
	cells := len(embeddings) / m.EmbSize()
	logits := make([]float32, cells*m.Classes())
	s.read(logits, m.classifier.run(s, s.upload(cells, m.EmbSize(), embeddings)))
	require.NoError(t, s.err)
	return logits
}

func testCategoryGolden(t *testing.T, dev compute.Device) {
	g := golden.Open(t, testdata, "category")
	ck := openFolder(t, "goldens/tiny_category")
	m := loadModel(t, dev, ck)
	b, keep := golden.Unpadded(g.Rows("token_ids"), g.IDs("token_ids"), g.Floats("values"), ck.Vocab().Pad())
	out, err := m.Forward(t.Context(), b, Options{MVC: true})
	require.NoError(t, err)
	requireClose(t, g.Floats("cell_emb"), out.CellEmbeddings, tolerance, "cell_emb")
	requireClose(t, g.Floats("logits"), out.Logits, tolerance, "logits")
	requireClose(t, golden.Pick(g.Floats("mvc"), keep), out.MVC, 5*tolerance, "mvc")
}

func testLongCellsGolden(t *testing.T, dev compute.Device) {
	g := golden.Open(t, testdata, "embed_long_rawcounts")
	m := loadModel(t, dev, openCheckpoint(t, "tiny_scgpt"))
	for _, cell := range []struct {
		row                     int
		ids, values, embeddings string
	}{
		{0, "token_ids_1200_0", "values_mid_1200_0", "emb_l2_mid_1200"},
		{2, "token_ids_1200_2", "values_mid_1200_2", "emb_l2_mid_1200"},
		{4, "token_ids_1200_4", "values_mid_1200_4", "emb_l2_mid_1200"},
		{0, "token_ids_full_0", "values_mid_full_0", "emb_l2_mid_full"},
	} {
		b, _ := golden.Unpadded(1, g.IDs(cell.ids), g.Floats(cell.values), -1)
		out, err := m.Forward(t.Context(), b, Options{})
		require.NoError(t, err)
		normalize(out.CellEmbeddings)
		d := m.EmbSize()
		requireClose(t, g.Floats(cell.embeddings)[cell.row*d:(cell.row+1)*d], out.CellEmbeddings, tolerance, cell.ids)
	}
}

// rankNorm is the normalisation of scGPT's tutorial on gene networks: each score
// by its rank among the keys, these by their ranks among the queries, divided by
// their number, and the mean over the heads. The second ranks have many ties,
// which upstream's sort orders as it happens; low and high are what can be.
func rankNorm(scores []float32, heads, n int) (low, high []float32) {
	low, high = make([]float32, n*n), make([]float32, n*n)
	order := make([]int, n)
	for h := range heads {
		s := scores[h*n*n : (h+1)*n*n]
		first := make([]int, n*n)
		for q := range n {
			for k := range order {
				order[k] = q*n + k
			}
			slices.SortFunc(order, func(a, b int) int { return cmp.Compare(s[a], s[b]) })
			for rank, i := range order {
				first[i] = rank
			}
		}
		for k := range n {
			for q := range n {
				below, upTo := 0, -1
				for other := range n {
					switch c := cmp.Compare(first[other*n+k], first[q*n+k]); {
					case c < 0:
						below++
						upTo++
					case c == 0:
						upTo++
					}
				}
				low[q*n+k] += float32(below) / float32(n*heads)
				high[q*n+k] += float32(upTo) / float32(n*heads)
			}
		}
	}
	return low, high
}

// testRanksGolden holds the scores of a layer to their ranks in upstream's
// tutorial. Scores that differ by rounding alone may change places.
func testRanksGolden(t *testing.T, dev compute.Device) {
	g := golden.Open(t, testdata, "attention_grn")
	m := loadModel(t, dev, openCheckpoint(t, "tiny_scgpt"))
	b, _ := golden.Unpadded(g.Rows("token_ids"), g.IDs("token_ids"), g.Floats("values"), -1)
	var low, high []float32
	require.NoError(t, m.AttentionScores(t.Context(), b, Options{}, func(cell int, scores []float32) error {
		l, h := rankNorm(scores, m.Heads(), int(b.Offsets[cell+1]-b.Offsets[cell]))
		low, high = append(low, l...), append(high, h...)
		return nil
	}))
	off := 0
	for i, want := range g.Floats("ranknorm_mean") {
		if want < low[i]-1e-6 || want > high[i]+1e-6 {
			off++
		}
	}
	require.Less(t, off, len(low)/1000)
}

// The classifier on embeddings that are means over padding too.
func testPooledLogitsGolden(t *testing.T, dev compute.Device) {
	g := golden.Open(t, testdata, "pooling")
	m := loadModel(t, dev, openCheckpoint(t, "tiny_scgpt"))
	requireClose(t, g.Floats("apool_logits_fast"), classify(t, m, g.Floats("apool_emb_fast")), tolerance, "apool_logits_fast")
}
