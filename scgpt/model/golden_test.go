package model

import (
	"cmp"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	_ "github.com/seed-ab6af24b/troupe/scgpt/compute/computetest"
	_ "github.com/seed-ab6af24b/troupe/scgpt/compute/cpu"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

// The goldens are outputs of the reference implementation in fp32; see
// testdata/goldens/manifest.json.
const (
	tolerance = 1e-5
	// Values that the decoders predict reach 50.
	valueTolerance = 5e-5
)

const testdata = "../../testdata"

type golden struct {
	t    *testing.T
	file *safetensors.File
}

func openGolden(t *testing.T, name string) golden {
	f, err := safetensors.Open(filepath.Join(testdata, "goldens", name+".safetensors"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return golden{t, f}
}

func (g golden) floats(name string) []float32 {
	t, ok := g.file.Tensor(name)
	require.True(g.t, ok, name)
	values, err := t.Float32()
	require.NoError(g.t, err)
	return values
}

func (g golden) ids(name string) []int32 {
	t, ok := g.file.Tensor(name)
	require.True(g.t, ok, name)
	values, err := t.Int64()
	require.NoError(g.t, err)
	ids := make([]int32, len(values))
	for i, v := range values {
		ids[i] = int32(v)
	}
	return ids
}

func (g golden) rows(name string) int {
	t, ok := g.file.Tensor(name)
	require.True(g.t, ok, name)
	return t.Shape[0]
}

// unpadded packs padded rows of tokens; keep has the index of each kept token
// in the padded array.
func unpadded(rows int, ids []int32, values []float32, pad int32) (b tokens.Packed, keep []int) {
	width := len(ids) / rows
	b.Offsets = []int32{0}
	for r := range rows {
		for i := r * width; i < (r+1)*width; i++ {
			if ids[i] != pad {
				b.IDs = append(b.IDs, ids[i])
				b.Values = append(b.Values, values[i])
				keep = append(keep, i)
			}
		}
		b.Offsets = append(b.Offsets, int32(len(b.IDs)))
	}
	return b, keep
}

func pick(x []float32, at []int) []float32 {
	out := make([]float32, len(at))
	for i, j := range at {
		out[i] = x[j]
	}
	return out
}

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

// TestGoldens holds every device that is at hand to the reference
// implementation's numbers.
func TestGoldens(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"cpu:avx512", "cpu:avx2", "cpu:generic", "reference"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opened, err := compute.Open(name, compute.Options{})
			if err != nil && (name == "cpu:avx512" || name == "cpu:avx2") {
				t.Skipf("this machine's processor lacks the instructions: %v", err)
			}
			require.NoError(t, err)
			require.NoError(t, opened.Close())
			for _, golden := range []struct {
				name  string
				test  func(*testing.T, compute.Device)
				small bool // little enough work for slow devices
			}{
				{"annotation", testAnnotationGolden, false},
				{"attention", testAttentionGolden, true},
				{"category", testCategoryGolden, false},
				{"domains", testDomainsGolden, false},
				{"embed", testEmbedGolden, false},
				{"gene embeddings", testGeneEmbeddingsGolden, true},
				{"layers", testLayersGolden, true},
				{"long cells", testLongCellsGolden, false},
				{"pooling", testPoolingGolden, false},
			} {
				slow := name == "reference" || name == "cpu:generic" && raceDetector
				if slow && !golden.small {
					continue
				}
				t.Run(golden.name, func(t *testing.T) {
					t.Parallel()
					golden.test(t, openDevice(t, name, compute.Options{}))
				})
			}
		})
	}
}

// requireClose compares numbers with an absolute tolerance.
func requireClose(t *testing.T, want, got []float32, tol float64, what string) {
	t.Helper()
	require.Len(t, got, len(want), what)
	worst, at := 0.0, 0
	for i, w := range want {
		diff := float64(w) - float64(got[i])
		if diff < 0 {
			diff = -diff
		}
		if !(diff <= worst) {
			worst, at = diff, i
		}
	}
	if len(want) > 0 {
		require.LessOrEqual(t, worst, tol, "%s[%d] = %v, want %v", what, at, got[at], want[at])
	}
	t.Logf("%s: %d numbers, largest difference %.2g", what, len(want), worst)
}

func testAnnotationGolden(t *testing.T, dev compute.Device) {
	g := openGolden(t, "annotation")
	ck := openCheckpoint(t, "tiny_scgpt")
	m := loadModel(t, dev, ck)
	for _, ties := range []string{"left", "mid"} {
		b, keep := unpadded(g.rows("token_ids"), g.ids("token_ids"), g.floats("values_"+ties), ck.Vocab().Pad())
		out, err := m.Forward(t.Context(), b, Options{})
		require.NoError(t, err)
		requireClose(t, g.floats("cell_emb_"+ties), out.CellEmbeddings, tolerance, "cell_emb_"+ties)
		requireClose(t, g.floats("logits_"+ties), out.Logits, tolerance, "logits_"+ties)
		if ties == "left" {
			continue
		}
		full, err := m.Forward(t.Context(), b, Options{Expression: true, MVC: true})
		require.NoError(t, err)
		require.Equal(t, out.CellEmbeddings, full.CellEmbeddings, "first tokens alone and all tokens")
		require.Equal(t, out.Logits, full.Logits)
		requireClose(t, pick(g.floats("mlm_slow_mid"), keep), full.Expression, valueTolerance, "mlm_slow_mid")
		requireClose(t, pick(g.floats("mlm_fast_mid"), keep), full.Expression, valueTolerance, "mlm_fast_mid")
		requireClose(t, pick(g.floats("mvc_mid"), keep), full.MVC, valueTolerance, "mvc_mid")
		require.Nil(t, full.MVCZeroProbs)
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
	g := openGolden(t, "annotation")
	ck := openCheckpoint(t, "tiny_scgpt")
	m := loadModel(t, dev, ck)
	b, _ := unpadded(g.rows("token_ids"), g.ids("token_ids"), g.floats("values_mid"), ck.Vocab().Pad())
	n := b.Offsets[1]
	b = tokens.Packed{IDs: b.IDs[:n], Values: b.Values[:n], Offsets: b.Offsets[:2]}

	genes, err := m.GeneEmbeddings(b.IDs)
	require.NoError(t, err)
	requireClose(t, g.floats("layer_gene_emb"), genes, tolerance, "layer_gene_emb")

	table := make([]float32, m.values.table.Rows()*m.EmbSize())
	require.NoError(t, m.dev.Read(t.Context(), table, m.values.table))
	requireClose(t, g.floats("w_value_table"), table, tolerance, "w_value_table")

	trace := layerByLayer(t, m, b)
	for i, name := range []string{"layer_h0", "layer_h1", "layer_h2", "layer_h3", "layer_h4"} {
		requireClose(t, g.floats(name), trace[i], tolerance, name)
	}
}

func testEmbedGolden(t *testing.T, dev compute.Device) {
	g := openGolden(t, "embed_pbmc68k")
	ck := openCheckpoint(t, "tiny_scgpt")
	m := loadModel(t, dev, ck)
	for _, ties := range []string{"left", "mid"} {
		b, _ := unpadded(g.rows("token_ids"), g.ids("token_ids"), g.floats("values_"+ties), ck.Vocab().Pad())
		out, err := m.Forward(t.Context(), b, Options{})
		require.NoError(t, err)
		if ties == "mid" {
			requireClose(t, g.floats("emb_raw_mid"), out.CellEmbeddings, tolerance, "emb_raw_mid")
		}
		for c := range b.Cells() {
			normalize(out.CellEmbeddings[c*m.EmbSize() : (c+1)*m.EmbSize()])
		}
		requireClose(t, g.floats("emb_l2_"+ties), out.CellEmbeddings, tolerance, "emb_l2_"+ties)
	}
}

func testGeneEmbeddingsGolden(t *testing.T, dev compute.Device) {
	g := openGolden(t, "gene_embeddings")
	m := loadModel(t, dev, openCheckpoint(t, "tiny_scgpt"))
	got, err := m.GeneEmbeddings(g.ids("ids"))
	require.NoError(t, err)
	requireClose(t, g.floats("ln_rows"), got, tolerance, "ln_rows")
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
	g := openGolden(t, "category")
	ck := openFolder(t, "goldens/tiny_category")
	m := loadModel(t, dev, ck)
	b, keep := unpadded(g.rows("token_ids"), g.ids("token_ids"), g.floats("values"), ck.Vocab().Pad())
	out, err := m.Forward(t.Context(), b, Options{MVC: true})
	require.NoError(t, err)
	requireClose(t, g.floats("cell_emb"), out.CellEmbeddings, tolerance, "cell_emb")
	requireClose(t, g.floats("logits"), out.Logits, tolerance, "logits")
	requireClose(t, pick(g.floats("mvc"), keep), out.MVC, valueTolerance, "mvc")
}

func testLongCellsGolden(t *testing.T, dev compute.Device) {
	g := openGolden(t, "embed_long_rawcounts")
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
		b, _ := unpadded(1, g.ids(cell.ids), g.floats(cell.values), -1)
		out, err := m.Forward(t.Context(), b, Options{})
		require.NoError(t, err)
		normalize(out.CellEmbeddings)
		d := m.EmbSize()
		requireClose(t, g.floats(cell.embeddings)[cell.row*d:(cell.row+1)*d], out.CellEmbeddings, tolerance, cell.ids)
	}
}

// The golden's "fast" variants come from padded batches in which padding
// contributes 0 but counts in the mean's length; ours are unpadded. Its "slow"
// variants, in which the outputs at padding count too, depend on what else is in
// a batch, and nothing here gives them.
func testPoolingGolden(t *testing.T, dev compute.Device) {
	g := openGolden(t, "pooling")
	ck := openCheckpoint(t, "tiny_scgpt")
	m := loadModel(t, dev, ck)
	rows := g.rows("token_ids")
	b, _ := unpadded(rows, g.ids("token_ids"), g.floats("values"), ck.Vocab().Pad())
	width := len(g.ids("token_ids")) / rows

	avg, err := m.Forward(t.Context(), b, Options{Pooling: checkpoint.AvgPool})
	require.NoError(t, err)
	requireClose(t, g.floats("apool_emb_unpadded"), avg.CellEmbeddings, tolerance, "apool_emb_unpadded")
	for c := range rows {
		share := float32(b.Offsets[c+1]-b.Offsets[c]) / float32(width)
		for i := range m.EmbSize() {
			avg.CellEmbeddings[c*m.EmbSize()+i] *= share
		}
	}
	requireClose(t, g.floats("apool_emb_fast"), avg.CellEmbeddings, tolerance, "apool_emb_fast")
	requireClose(t, g.floats("apool_logits_fast"), classify(t, m, avg.CellEmbeddings), tolerance, "apool_logits_fast")

	weighted, err := m.Forward(t.Context(), b, Options{Pooling: checkpoint.WPool})
	require.NoError(t, err)
	requireClose(t, g.floats("wpool_emb_unpadded"), weighted.CellEmbeddings, tolerance, "wpool_emb_unpadded")
	requireClose(t, g.floats("wpool_emb_fast"), weighted.CellEmbeddings, tolerance, "wpool_emb_fast")
	requireClose(t, g.floats("wpool_logits_fast"), weighted.Logits, tolerance, "wpool_logits_fast")

	scaled := *m
	scaled.values = valueEncoder{style: checkpoint.Scaling}
	out, err := scaled.Forward(t.Context(), b, Options{})
	require.NoError(t, err)
	requireClose(t, g.floats("scaling_cell_emb"), out.CellEmbeddings, tolerance, "scaling_cell_emb")
}

func testAttentionGolden(t *testing.T, dev compute.Device) {
	g := openGolden(t, "attention_grn")
	ck := openCheckpoint(t, "tiny_scgpt")
	m := loadModel(t, dev, ck)
	b, _ := unpadded(g.rows("token_ids"), g.ids("token_ids"), g.floats("values"), -1)
	cells := 0
	var low, high []float32
	err := m.AttentionScores(t.Context(), b, Options{}, func(cell int, scores []float32) error {
		require.Equal(t, cells, cell)
		if cells++; cell == 0 {
			requireClose(t, g.floats("qk_raw_cell0"), scores, valueTolerance, "qk_raw_cell0")
		}
		l, h := rankNorm(scores, m.Heads(), int(b.Offsets[cell+1]-b.Offsets[cell]))
		low, high = append(low, l...), append(high, h...)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 3, cells)
	// Scores that differ by rounding alone may change places.
	off := 0
	for i, want := range g.floats("ranknorm_mean") {
		if want < low[i]-1e-6 || want > high[i]+1e-6 {
			off++
		}
	}
	require.Less(t, off, len(low)/1000)
	requireClose(t, g.floats("h_in_last"), layerByLayer(t, m, b)[len(m.layers)-1], tolerance, "h_in_last")
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

func testDomainsGolden(t *testing.T, dev compute.Device) {
	g := openGolden(t, "dsbn")
	m := loadModel(t, dev, openCheckpoint(t, "tiny_scgpt_dsbn"))
	require.Equal(t, 2, m.Domains())
	ids := g.ids("token_ids")
	for domain, prefix := range []string{"b0_", "b1_"} {
		var repeated []int32
		for range g.rows(prefix + "values") {
			repeated = append(repeated, ids...)
		}
		b, _ := unpadded(g.rows(prefix+"values"), repeated, g.floats(prefix+"values"), -1)
		out, err := m.Forward(t.Context(), b, Options{Domain: domain, Expression: true, ZeroProbs: true, MVC: true, DomainLogits: true})
		require.NoError(t, err)
		requireClose(t, g.floats(prefix+"cell_emb"), out.CellEmbeddings, tolerance, prefix+"cell_emb")
		requireClose(t, g.floats(prefix+"mlm"), out.Expression, valueTolerance, prefix+"mlm")
		requireClose(t, g.floats(prefix+"mlm_zero"), out.ZeroProbs, tolerance, prefix+"mlm_zero")
		requireClose(t, g.floats(prefix+"mvc"), out.MVC, valueTolerance, prefix+"mvc")
		requireClose(t, g.floats(prefix+"mvc_zero"), out.MVCZeroProbs, tolerance, prefix+"mvc_zero")
		requireClose(t, g.floats(prefix+"dab"), out.DomainLogits, tolerance, prefix+"dab")
		for c := range b.Cells() {
			normalize(out.CellEmbeddings[c*m.EmbSize() : (c+1)*m.EmbSize()])
		}
		requireClose(t, g.floats(prefix+"emb_l2"), out.CellEmbeddings, tolerance, prefix+"emb_l2")
	}
}
