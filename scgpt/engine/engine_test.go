package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	_ "github.com/seed-ab6af24b/troupe/scgpt/compute/cpu"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/internal/denytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testdata = "../../testdata"
	pbmc     = testdata + "/cells/pbmc68k_test.h5ad"
)

func load(t *testing.T, model string, opts compute.Options) *engine.Engine {
	t.Helper()
	dev, err := compute.Open("cpu", opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dev.Close()) })
	eng, err := engine.Load(filepath.Join(testdata, "models", model), dev)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, eng.Close()) })
	return eng
}

func open(t *testing.T, eng *engine.Engine, path string, opts engine.Options) *engine.Cells {
	t.Helper()
	cells, err := eng.Open(path, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cells.Close()) })
	return cells
}

// golden reads a tensor of upstream's outputs; testdata/goldens/manifest.json
// describes them.
func golden[T any](t *testing.T, file, tensor string, read func(safetensors.Tensor) ([]T, error)) []T {
	t.Helper()
	f, err := safetensors.Open(filepath.Join(testdata, "goldens", file+".safetensors"))
	require.NoError(t, err)
	defer f.Close()
	x, ok := f.Tensor(tensor)
	require.True(t, ok, tensor)
	values, err := read(x)
	require.NoError(t, err)
	return slices.Clone(values) // the file's mapping ends here
}

func goldenFloats(t *testing.T, file, tensor string) []float32 {
	t.Helper()
	return golden(t, file, tensor, safetensors.Tensor.Float32)
}

func requireClose(t *testing.T, want, got []float32, tolerance float64) {
	t.Helper()
	require.Len(t, got, len(want))
	worst, at := 0.0, 0
	for i := range want {
		if d := math.Abs(float64(want[i]) - float64(got[i])); d > worst || math.IsNaN(d) {
			worst, at = d, i
		}
	}
	require.LessOrEqual(t, worst, tolerance, "element %d: want %v, got %v", at, want[at], got[at])
}

// The 200 held-out cells: logits of upstream's implementation, its labels one by
// one, and the accuracy that it reached.
func TestAnnotationOfHeldOutCells(t *testing.T) {
	eng := load(t, "tiny_scgpt", compute.Options{})
	for ties, accuracy := range map[string]float64{"mid": 0.815, "left": 0.81} {
		t.Run(ties, func(t *testing.T) {
			cells := open(t, eng, pbmc, engine.Options{Task: engine.Annotate, Ties: ties})
			emb, err := cells.Embed(t.Context(), 0, cells.Len(), nil)
			require.NoError(t, err)
			want := goldenFloats(t, "annotation_all200", "logits_"+ties)
			requireClose(t, want, emb.Logits, 1e-5)

			labels, err := eng.Label(emb)
			require.NoError(t, err)
			names := eng.Labels()
			for i, got := range labels.Types {
				best := 0
				for k := range names {
					if want[i*len(names)+k] > want[i*len(names)+best] {
						best = k
					}
				}
				require.Equal(t, names[best], got, "cell %d", i)
			}
			truth, err := cells.Truth("", eng.Labels())
			require.NoError(t, err)
			require.Equal(t, "celltype", truth.Column)
			scores, err := truth.Score(labels)
			require.NoError(t, err)
			require.Equal(t, 200, scores.Cells)
			require.InDelta(t, accuracy, scores.Accuracy, 1e-12)
		})
	}
}

// The 200 held-out cells get the labels of fp32 in every precision, but for one
// at most in bf16.
func TestLabelsInEveryPrecision(t *testing.T) {
	label := func(t *testing.T, device string, p compute.Precision) []string {
		dev, err := compute.Open(device, compute.Options{Precision: p})
		if err != nil {
			t.Skipf("this processor or build lacks it: %v", err)
		}
		t.Cleanup(func() { require.NoError(t, dev.Close()) })
		eng, err := engine.Load(filepath.Join(testdata, "models", "tiny_scgpt"), dev)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, eng.Close()) })
		cells := open(t, eng, pbmc, engine.Options{Task: engine.Annotate})
		emb, err := cells.Embed(t.Context(), 0, cells.Len(), nil)
		require.NoError(t, err)
		labels, err := eng.Label(emb)
		require.NoError(t, err)
		return labels.Types
	}
	want := label(t, "cpu", compute.FP32)
	require.Len(t, want, 200)
	for _, c := range []struct {
		device    string
		precision compute.Precision
		differ    int
	}{
		{"cpu:avx2", compute.FP32, 0},
		{"cpu:amx", compute.BF16x3, 0}, {"cpu:avx512bf16", compute.BF16x3, 0},
		{"cpu:amx", compute.BF16, 1}, {"cpu:avx512bf16", compute.BF16, 1},
	} {
		t.Run(c.device+"/"+string(c.precision), func(t *testing.T) {
			differ := 0
			for i, got := range label(t, c.device, c.precision) {
				if got != want[i] {
					differ++
				}
			}
			require.LessOrEqual(t, differ, c.differ)
		})
	}
}

// Cell embeddings of both published ways, on the 20 cells of the goldens.
func TestEmbeddingGoldens(t *testing.T) {
	eng := load(t, "tiny_scgpt", compute.Options{})
	cases := []struct {
		file, tensor string
		opts         engine.Options
		normalized   bool
	}{
		{"embed_pbmc68k", "emb_raw_mid", engine.Options{Task: engine.Embed}, false},
		{"embed_pbmc68k", "emb_l2_mid", engine.Options{}, true},
		{"embed_pbmc68k", "emb_l2_left", engine.Options{Ties: "left"}, true},
		{"annotation", "cell_emb_mid", engine.Options{Task: engine.Annotate}, false},
		{"annotation", "cell_emb_left", engine.Options{Task: engine.Annotate, Ties: "left"}, false},
	}
	for _, c := range cases {
		t.Run(c.file+"/"+c.tensor, func(t *testing.T) {
			rows := golden(t, c.file, "cell_index_in_test", safetensors.Tensor.Int64)
			cells := open(t, eng, pbmc, c.opts)
			emb, err := cells.Embed(t.Context(), 0, cells.Len(), nil)
			require.NoError(t, err)
			all := emb.Vectors
			if c.normalized {
				all = emb.Normalized()
			}
			var got []float32
			for _, row := range rows {
				got = append(got, all[int(row)*emb.Dim:(int(row)+1)*emb.Dim]...)
			}
			requireClose(t, goldenFloats(t, c.file, c.tensor), got, 1e-5)
		})
	}
}

// Raw counts, and cells of more genes than fit.
func TestLongCellGoldens(t *testing.T) {
	const file = "embed_long_rawcounts"
	eng := load(t, "tiny_scgpt", compute.Options{})
	rows := golden(t, file, "cell_index_in_celltypist", safetensors.Tensor.Int64)
	for tensor, opts := range map[string]engine.Options{
		"emb_l2_mid_1200": {MaxLength: 1200, Cap: "first"},
		"emb_l2_mid_full": {MaxLength: 3003},
	} {
		cells := open(t, eng, celltypist, opts)
		var got []float32
		for _, row := range rows {
			emb, err := cells.Embed(t.Context(), int(row), int(row)+1, nil)
			require.NoError(t, err)
			got = append(got, emb.Normalized()...)
		}
		requireClose(t, goldenFloats(t, file, tensor), got, 1e-5)
	}
}

func TestGeneEmbeddingGoldens(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(testdata, "goldens", "gene_embeddings_names.json"))
	require.NoError(t, err)
	var names []string
	require.NoError(t, json.Unmarshal(data, &names))
	eng := load(t, "tiny_scgpt", compute.Options{})
	g, err := eng.Genes(append([]string{"NOTAGENE"}, names...))
	require.NoError(t, err)
	require.Equal(t, names, g.Genes)
	require.Equal(t, []string{"NOTAGENE"}, g.Missing)
	requireClose(t, goldenFloats(t, "gene_embeddings", "ln_rows"), g.Vectors, 1e-5)
	requireClose(t, goldenFloats(t, "gene_embeddings", "cosine_ln"), g.Similarity(), 1e-5)

	_, err = eng.Genes([]string{"NOTAGENE"})
	require.ErrorContains(t, err, "none of the 1 genes asked for")
}

// A cell has the same bytes in any run of cells and with any number of threads.
func TestSameBytesInAnyRun(t *testing.T) {
	whole := embedAll(t, load(t, "tiny_scgpt", compute.Options{}))
	single := load(t, "tiny_scgpt", compute.Options{Threads: 1})
	cells := open(t, single, pbmc, engine.Options{Task: engine.Annotate})
	var runs []*engine.Embeddings
	for from, size := 0, 1; from < cells.Len(); size = size*3 + 1 {
		to := min(from+size, cells.Len())
		e, err := cells.Embed(t.Context(), from, to, nil)
		require.NoError(t, err)
		runs = append(runs, e)
		from = to
	}
	joined, err := engine.Join(runs)
	require.NoError(t, err)
	require.Equal(t, whole.Vectors, joined.Vectors)
	require.Equal(t, whole.Logits, joined.Logits)
	require.Equal(t, whole, joined)

	_, err = engine.Join(runs[1:2])
	require.NoError(t, err)
	_, err = engine.Join([]*engine.Embeddings{runs[0], runs[2]})
	require.ErrorContains(t, err, "do not follow")
	_, err = engine.Join(nil)
	require.Error(t, err)
}

func embedAll(t *testing.T, eng *engine.Engine) *engine.Embeddings {
	t.Helper()
	cells := open(t, eng, pbmc, engine.Options{Task: engine.Annotate})
	done := 0
	e, err := cells.Embed(t.Context(), 0, cells.Len(), func(n int) {
		require.Greater(t, n, done)
		done = n
	})
	require.NoError(t, err)
	require.Equal(t, cells.Len(), done)
	return e
}

func TestEmbedStopsWithItsContext(t *testing.T) {
	eng := load(t, "tiny_scgpt", compute.Options{})
	cells := open(t, eng, pbmc, engine.Options{})
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	_, err := cells.Embed(ctx, 0, cells.Len(), nil)
	require.ErrorIs(t, err, stop)

	for _, run := range [][2]int{{-1, 3}, {0, 201}, {5, 4}} {
		_, err := cells.Embed(t.Context(), run[0], run[1], nil)
		require.ErrorContains(t, err, "but there are 200")
	}
	none, err := cells.Embed(t.Context(), 7, 7, nil)
	require.NoError(t, err)
	require.Empty(t, none.Vectors)
}

func TestOpenRefuses(t *testing.T) {
	eng := load(t, "tiny_scgpt", compute.Options{})
	cases := []struct {
		name, path string
		opts       engine.Options
		want       string
	}{
		{"not HDF5", testdata + "/h5ad/bad_nothdf5.h5ad", engine.Options{}, "bad_nothdf5.h5ad"},
		{"no X", testdata + "/h5ad/no_X.h5ad", engine.Options{MinGeneShare: 1e-9}, "X"},
		{"foreign genes", testdata + "/h5ad/csr_gzip.h5ad", engine.Options{}, "csr_gzip.h5ad"},
		{"gene column", pbmc, engine.Options{GeneColumn: "none"}, `no column "none"`},
		{"layer", pbmc, engine.Options{Layer: "none"}, "none"},
		{"cap", pbmc, engine.Options{Cap: "odd"}, `"odd"`},
		{"ties", pbmc, engine.Options{Ties: "odd"}, `"odd"`},
		{"length", pbmc, engine.Options{MaxLength: 1}, "MaxLength"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := eng.Open(c.path, c.opts)
			require.ErrorContains(t, err, c.want)
			var classed interface{ ErrorType() string }
			require.ErrorAs(t, err, &classed)
			require.Equal(t, "InvalidDataError", classed.ErrorType())
		})
	}
	_, err := eng.Open("none.h5ad", engine.Options{})
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestTruth(t *testing.T) {
	cells := open(t, load(t, "tiny_scgpt", compute.Options{}), pbmc, engine.Options{})
	_, err := cells.Truth("none", nil)
	require.ErrorContains(t, err, `no column "none"`)
	unlabelled := open(t, load(t, "tiny_scgpt", compute.Options{}), testdata+"/cells/celltypist_sample.h5ad", engine.Options{})
	truth, err := unlabelled.Truth("", nil)
	require.NoError(t, err)
	require.Nil(t, truth)
}

func TestLabelNeedsAClassifier(t *testing.T) {
	eng := load(t, "tiny_scgpt_dsbn", compute.Options{})
	require.ErrorContains(t, eng.CanLabel(), "no classifier head")
	_, err := eng.Label(&engine.Embeddings{})
	require.ErrorContains(t, err, "no classifier head")
}

func TestSummary(t *testing.T) {
	l := engine.Labels{Types: []string{"b", "a", "b"}, Confidence: []float32{0.5, 1, 0.75}}
	require.Equal(t, engine.Summary{
		Types: []string{"a", "b"}, Counts: map[string]int{"a": 1, "b": 2},
		MeanConfidence: 0.75, TypeConfidence: map[string]float64{"a": 1, "b": 0.625},
	}, l.Summary())
	require.Zero(t, (&engine.Labels{}).Summary().MeanConfidence)
}

func TestFindModel(t *testing.T) {
	folder := func(names ...string) string {
		dir := t.TempDir()
		for _, n := range names {
			require.NoError(t, os.Mkdir(filepath.Join(dir, n), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, n, "args.json"), nil, 0o644))
		}
		require.NoError(t, os.Mkdir(filepath.Join(dir, "nomodel"), 0o755))
		return dir
	}
	cases := []struct {
		name           string
		there          []string
		model, byUser  string
		want, wantText string
	}{
		{"by name", []string{"a", "b"}, "b", "", "b", ""},
		{"user's default", []string{"a", "b"}, "", "b", "b", ""},
		{"the only one", []string{"a"}, "", "", "a", ""},
		{"whole human", []string{"a", "scGPT_human"}, "", "", "scGPT_human", ""},
		{"several", []string{"a", "b"}, "", "", "", "choose one of a, b"},
		{"none", nil, "", "", "", "holds none"},
		{"unknown", []string{"a", "b"}, "c", "", "", `there is no model "c"`},
		{"a folder without a model", []string{"a"}, "nomodel", "", "", `there is no model "nomodel"`},
		{"a path", []string{"a"}, "../a", "", "", `there is no model "../a"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := engine.FindModel(folder(c.there...), c.model, c.byUser)
			require.Equal(t, c.want, got)
			if c.wantText == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.wantText)
			var missing *engine.ModelNotFoundError
			require.ErrorAs(t, err, &missing)
		})
	}
	_, err := engine.FindModel(filepath.Join(t.TempDir(), "none"), "a", "")
	require.ErrorContains(t, err, "cannot be read")
}

// What may not be read is not said to be missing.
func TestFindModelDenied(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"good", "closed"} {
		require.NoError(t, os.Mkdir(filepath.Join(folder, name), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, name, "args.json"), nil, 0o644))
	}
	lone := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(lone, "closed"), 0o755))
	human := t.TempDir()
	for _, name := range []string{"tiny", engine.FallbackModel} {
		require.NoError(t, os.Mkdir(filepath.Join(human, name), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(human, name, "args.json"), nil, 0o644))
	}
	closed := t.TempDir()
	for _, path := range []string{filepath.Join(folder, "closed"), filepath.Join(lone, "closed"), filepath.Join(human, engine.FallbackModel), closed} {
		denytest.Close(t, path)
	}
	cases := []struct {
		name, folder, model string
		want                string // the name, or the path in the error
		denied              bool
	}{
		{"the folder", closed, "good", closed, true},
		{"the folder, without a name", closed, "", closed, true},
		{"the model", folder, "closed", filepath.Join(folder, "closed"), true},
		{"the default", human, "", filepath.Join(human, engine.FallbackModel), true},
		{"another one", folder, "good", "good", false},
		{"another one, as the only one to choose", folder, "", "good", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got string
			var err error
			denytest.Do(t, func() { got, err = engine.FindModel(c.folder, c.model, "") })
			if !c.denied {
				require.NoError(t, err)
				require.Equal(t, c.want, got)
				return
			}
			require.EqualError(t, err, "the folder "+c.want+" cannot be read: permission denied: want one that the user of this program may read and enter")
			require.ErrorIs(t, err, fs.ErrPermission)
			var denied *engine.DeniedError
			require.ErrorAs(t, err, &denied)
			require.Equal(t, "InvalidDataError", denied.ErrorType())
		})
	}
	// What may not be read need not be a model, as lost+found is none.
	var err error
	denytest.Do(t, func() { _, err = engine.FindModel(lone, "", "") })
	var none *engine.ModelNotFoundError
	require.ErrorAs(t, err, &none)
	require.EqualError(t, err, "there is no model: "+lone+" holds none that can be read: permission denied for closed")
}
