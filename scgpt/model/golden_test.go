package model

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	_ "github.com/seed-ab6af24b/troupe/scgpt/compute/computetest"
	_ "github.com/seed-ab6af24b/troupe/scgpt/compute/cpu"
	"github.com/seed-ab6af24b/troupe/scgpt/model/modeltest/golden"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

// The goldens of what lies within the model; those of what comes out of it are
// in modeltest.
const tolerance = 1e-5

const testdata = "../../testdata"

func openCheckpoint(t testing.TB, name string) *checkpoint.Checkpoint {
	ck, err := checkpoint.Open(filepath.Join(testdata, "models", name))
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
			testMeanLogitsGolden(t, openDevice(t, name, compute.Options{}))
		})
	}
}

// layerByLayer returns the input of the first layer and the output of each.
func layerByLayer(t *testing.T, m *Model, b tokens.Packed) [][]float32 {
	s := newScope(t.Context(), m.dev)
	defer s.free()
	p := newPiece(s, b, 0, b.Cells())
	h := m.embed(s, p, 0)
	w := newWorkspace(s, b.Tokens(), m.args)
	var trace [][]float32
	for i := 0; ; i++ {
		x := make([]float32, b.Tokens()*m.EmbSize())
		s.read(x, h)
		trace = append(trace, x)
		if i == len(m.layers) {
			break
		}
		m.layers[i].run(s, h, p.cells, m.args.NHeads, w)
	}
	require.NoError(t, s.err)
	return trace
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
	scaled := *loadModel(t, dev, ck)
	scaled.values = valueEncoder{style: checkpoint.Scaling}
	b, _ := golden.Unpadded(g.Rows("token_ids"), g.IDs("token_ids"), g.Floats("values"), ck.Vocab().Pad())
	out, err := scaled.Forward(t.Context(), b, Options{})
	require.NoError(t, err)
	requireClose(t, g.Floats("scaling_cell_emb"), out.CellEmbeddings, tolerance, "scaling_cell_emb")
}

// The classifier on upstream's means of padded batches, which Forward does not
// make: see package modeltest.
func testMeanLogitsGolden(t *testing.T, dev compute.Device) {
	g := golden.Open(t, testdata, "pooling")
	m := loadModel(t, dev, openCheckpoint(t, "tiny_scgpt"))
	s := newScope(t.Context(), m.dev)
	defer s.free()
	cells := g.Rows("apool_emb_fast")
	logits := make([]float32, cells*m.Classes())
	s.read(logits, m.classifier.run(s, s.upload(cells, m.EmbSize(), g.Floats("apool_emb_fast"))))
	require.NoError(t, s.err)
	requireClose(t, g.Floats("apool_logits_fast"), logits, tolerance, "apool_logits_fast")
}
