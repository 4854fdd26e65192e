// Package modeltest holds the checks that the model must pass on every device.
package modeltest

import (
	"cmp"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/model"
	"github.com/seed-ab6af24b/troupe/scgpt/model/modeltest/golden"
)

// Config says what [Goldens] tests.
type Config struct {
	// Open opens the device; it may be called more than once at a time.
	Open func() (compute.Device, error)
	// Testdata is the folder with the goldens and the models.
	Testdata string
	// Tolerance is the largest absolute difference from the reference; 0
	// means 1e-5, which suits float32. Values that the decoders predict
	// reach 50: they may differ five times as much.
	Tolerance float64
	// Small leaves out what takes a slow device minutes.
	Small bool
}

// Goldens holds a device to the reference implementation's numbers.
func Goldens(t *testing.T, c Config) {
	c.Tolerance = cmp.Or(c.Tolerance, 1e-5)
	for _, g := range []struct {
		name  string
		test  func(*testing.T, suite)
		small bool // little enough work for slow devices
	}{
		{"annotation", testAnnotation, false},
		{"attention", testAttention, true},
		{"category", testCategory, false},
		{"domains", testDomains, false},
		{"embed", testEmbed, false},
		{"gene embeddings", testGeneEmbeddings, true},
		{"long cells", testLongCells, false},
		{"pooling", testPooling, false},
	} {
		if c.Small && !g.small {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			dev, err := c.Open()
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, dev.Close()) })
			g.test(t, suite{c, dev})
		})
	}
}

type suite struct {
	Config
	dev compute.Device
}

func (s suite) values() float64 { return 5 * s.Tolerance }

func (s suite) load(t *testing.T, name string) (*model.Model, *checkpoint.Checkpoint) {
	return s.loadFolder(t, filepath.Join("models", name))
}

func (s suite) loadFolder(t *testing.T, name string) (*model.Model, *checkpoint.Checkpoint) {
	ck, err := checkpoint.Open(filepath.Join(s.Testdata, name))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ck.Close()) })
	m, err := model.Load(s.dev, ck)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m, ck
}

func testAnnotation(t *testing.T, s suite) {
	g := golden.Open(t, s.Testdata, "annotation")
	m, ck := s.load(t, "tiny_scgpt")
	for _, ties := range []string{"left", "mid"} {
		b, keep := golden.Unpadded(g.Rows("token_ids"), g.IDs("token_ids"), g.Floats("values_"+ties), ck.Vocab().Pad())
		out, err := m.Forward(t.Context(), b, model.Options{})
		require.NoError(t, err)
		golden.RequireClose(t, g.Floats("cell_emb_"+ties), out.CellEmbeddings, s.Tolerance, "cell_emb_"+ties)
		golden.RequireClose(t, g.Floats("logits_"+ties), out.Logits, s.Tolerance, "logits_"+ties)
		if ties == "left" {
			continue
		}
		full, err := m.Forward(t.Context(), b, model.Options{Expression: true, MVC: true})
		require.NoError(t, err)
		require.Equal(t, out.CellEmbeddings, full.CellEmbeddings, "first tokens alone and all tokens")
		require.Equal(t, out.Logits, full.Logits)
		golden.RequireClose(t, golden.Pick(g.Floats("mlm_slow_mid"), keep), full.Expression, s.values(), "mlm_slow_mid")
		golden.RequireClose(t, golden.Pick(g.Floats("mlm_fast_mid"), keep), full.Expression, s.values(), "mlm_fast_mid")
		golden.RequireClose(t, golden.Pick(g.Floats("mvc_mid"), keep), full.MVC, s.values(), "mvc_mid")
		require.Nil(t, full.MVCZeroProbs)
	}
}

func testEmbed(t *testing.T, s suite) {
	g := golden.Open(t, s.Testdata, "embed_pbmc68k")
	m, ck := s.load(t, "tiny_scgpt")
	for _, ties := range []string{"left", "mid"} {
		b, _ := golden.Unpadded(g.Rows("token_ids"), g.IDs("token_ids"), g.Floats("values_"+ties), ck.Vocab().Pad())
		out, err := m.Forward(t.Context(), b, model.Options{})
		require.NoError(t, err)
		if ties == "mid" {
			golden.RequireClose(t, g.Floats("emb_raw_mid"), out.CellEmbeddings, s.Tolerance, "emb_raw_mid")
		}
		for c := range b.Cells() {
			normalize(out.CellEmbeddings[c*m.EmbSize() : (c+1)*m.EmbSize()])
		}
		golden.RequireClose(t, g.Floats("emb_l2_"+ties), out.CellEmbeddings, s.Tolerance, "emb_l2_"+ties)
	}
}

func testGeneEmbeddings(t *testing.T, s suite) {
	g := golden.Open(t, s.Testdata, "gene_embeddings")
	m, _ := s.load(t, "tiny_scgpt")
	got, err := m.GeneEmbeddings(g.IDs("ids"))
	require.NoError(t, err)
	golden.RequireClose(t, g.Floats("ln_rows"), got, s.Tolerance, "ln_rows")
}

// Value bins as categories, which upstream's fine-tuning offers.
func testCategory(t *testing.T, s suite) {
	g := golden.Open(t, s.Testdata, "category")
	m, ck := s.loadFolder(t, "goldens/tiny_category")
	b, keep := golden.Unpadded(g.Rows("token_ids"), g.IDs("token_ids"), g.Floats("values"), ck.Vocab().Pad())
	out, err := m.Forward(t.Context(), b, model.Options{MVC: true})
	require.NoError(t, err)
	golden.RequireClose(t, g.Floats("cell_emb"), out.CellEmbeddings, s.Tolerance, "cell_emb")
	golden.RequireClose(t, g.Floats("logits"), out.Logits, s.Tolerance, "logits")
	golden.RequireClose(t, golden.Pick(g.Floats("mvc"), keep), out.MVC, s.values(), "mvc")
}

// Raw counts, and cells cut at the cap. Package engine tests the whole of the
// longest.
func testLongCells(t *testing.T, s suite) {
	g := golden.Open(t, s.Testdata, "embed_long_rawcounts")
	m, _ := s.load(t, "tiny_scgpt")
	d := m.EmbSize()
	for row, name := range map[int]string{0: "1200_0", 2: "1200_2", 4: "1200_4"} {
		b, _ := golden.Unpadded(1, g.IDs("token_ids_"+name), g.Floats("values_mid_"+name), -1)
		out, err := m.Forward(t.Context(), b, model.Options{})
		require.NoError(t, err)
		normalize(out.CellEmbeddings)
		golden.RequireClose(t, g.Floats("emb_l2_mid_1200")[row*d:(row+1)*d], out.CellEmbeddings, s.Tolerance, "emb_l2_mid_"+name)
	}
}

// The golden's "fast" variants come from padded batches in which padding
// contributes 0 but counts in the mean's length; ours are unpadded. Its "slow"
// variants, in which the outputs at padding count too, depend on what else is in
// a batch, and nothing here gives them. Package model tests the logits of the
// mean.
func testPooling(t *testing.T, s suite) {
	g := golden.Open(t, s.Testdata, "pooling")
	m, ck := s.load(t, "tiny_scgpt")
	rows := g.Rows("token_ids")
	b, _ := golden.Unpadded(rows, g.IDs("token_ids"), g.Floats("values"), ck.Vocab().Pad())
	width := len(g.IDs("token_ids")) / rows

	avg, err := m.Forward(t.Context(), b, model.Options{Pooling: checkpoint.AvgPool})
	require.NoError(t, err)
	golden.RequireClose(t, g.Floats("apool_emb_unpadded"), avg.CellEmbeddings, s.Tolerance, "apool_emb_unpadded")
	for c := range rows {
		share := float32(b.Offsets[c+1]-b.Offsets[c]) / float32(width)
		for i := range m.EmbSize() {
			avg.CellEmbeddings[c*m.EmbSize()+i] *= share
		}
	}
	golden.RequireClose(t, g.Floats("apool_emb_fast"), avg.CellEmbeddings, s.Tolerance, "apool_emb_fast")

	weighted, err := m.Forward(t.Context(), b, model.Options{Pooling: checkpoint.WPool})
	require.NoError(t, err)
	golden.RequireClose(t, g.Floats("wpool_emb_unpadded"), weighted.CellEmbeddings, s.Tolerance, "wpool_emb_unpadded")
	golden.RequireClose(t, g.Floats("wpool_emb_fast"), weighted.CellEmbeddings, s.Tolerance, "wpool_emb_fast")
	golden.RequireClose(t, g.Floats("wpool_logits_fast"), weighted.Logits, s.Tolerance, "wpool_logits_fast")
}

func testAttention(t *testing.T, s suite) {
	g := golden.Open(t, s.Testdata, "attention_grn")
	m, _ := s.load(t, "tiny_scgpt")
	b, _ := golden.Unpadded(g.Rows("token_ids"), g.IDs("token_ids"), g.Floats("values"), -1)
	cells := 0
	var low, high []float32
	err := m.AttentionScores(t.Context(), b, model.Options{}, func(cell int, scores []float32) error {
		require.Equal(t, cells, cell)
		if cells++; cell == 0 {
			golden.RequireClose(t, g.Floats("qk_raw_cell0"), scores, s.values(), "qk_raw_cell0")
		}
		l, h := rankNorm(scores, m.Heads(), int(b.Offsets[cell+1]-b.Offsets[cell]))
		low, high = append(low, l...), append(high, h...)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 3, cells)
	if s.Tolerance > 1e-5 {
		return // too many scores change places
	}
	// Scores that differ by rounding alone may.
	off := 0
	for i, want := range g.Floats("ranknorm_mean") {
		if want < low[i]-1e-6 || want > high[i]+1e-6 {
			off++
		}
	}
	require.Less(t, off, len(low)/1000)
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

func testDomains(t *testing.T, s suite) {
	g := golden.Open(t, s.Testdata, "dsbn")
	m, _ := s.load(t, "tiny_scgpt_dsbn")
	require.Equal(t, 2, m.Domains())
	ids := g.IDs("token_ids")
	for domain, prefix := range []string{"b0_", "b1_"} {
		var repeated []int32
		for range g.Rows(prefix + "values") {
			repeated = append(repeated, ids...)
		}
		b, _ := golden.Unpadded(g.Rows(prefix+"values"), repeated, g.Floats(prefix+"values"), -1)
		out, err := m.Forward(t.Context(), b, model.Options{Domain: domain, Expression: true, ZeroProbs: true, MVC: true, DomainLogits: true})
		require.NoError(t, err)
		golden.RequireClose(t, g.Floats(prefix+"cell_emb"), out.CellEmbeddings, s.Tolerance, prefix+"cell_emb")
		golden.RequireClose(t, g.Floats(prefix+"mlm"), out.Expression, s.values(), prefix+"mlm")
		golden.RequireClose(t, g.Floats(prefix+"mlm_zero"), out.ZeroProbs, s.Tolerance, prefix+"mlm_zero")
		golden.RequireClose(t, g.Floats(prefix+"mvc"), out.MVC, s.values(), prefix+"mvc")
		golden.RequireClose(t, g.Floats(prefix+"mvc_zero"), out.MVCZeroProbs, s.Tolerance, prefix+"mvc_zero")
		golden.RequireClose(t, g.Floats(prefix+"dab"), out.DomainLogits, s.Tolerance, prefix+"dab")
		for c := range b.Cells() {
			normalize(out.CellEmbeddings[c*m.EmbSize() : (c+1)*m.EmbSize()])
		}
		golden.RequireClose(t, g.Floats(prefix+"emb_l2"), out.CellEmbeddings, s.Tolerance, prefix+"emb_l2")
	}
}

// normalize divides by the L2 norm.
func normalize(x []float32) {
	var squares float64
	for _, v := range x {
		squares += float64(v) * float64(v)
	}
	norm := max(math.Sqrt(squares), 1e-12)
	for i, v := range x {
		x[i] = float32(float64(v) / norm)
	}
}
