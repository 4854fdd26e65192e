package anndata_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
)

const tenXDir = "testdata/10x"

// A tenXMatrix is what scanpy reads, see testdata/10x/make_10x.py.
type tenXMatrix struct {
	NObs     int `json:"n_obs"`
	NVars    int `json:"n_vars"`
	Encoding string
	DType    string
	NNZ      int64
	Sum      float64
	Weighted float64
	ObsNames []string `json:"obs_names"`
	VarNames []string `json:"var_names"`
	Var      map[string][]string
}

func tenXManifest(t testing.TB) map[string]tenXMatrix {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(tenXDir, "manifest.json"))
	require.NoError(t, err)
	var out map[string]tenXMatrix
	require.NoError(t, json.Unmarshal(b, &out))
	require.NotEmpty(t, out)
	return out
}

// openTenX opens a file of the manifest: its name, and "all" for all features
// or the name of a genome.
func openTenX(t *testing.T, entry string) *anndata.File {
	t.Helper()
	name, choice, _ := strings.Cut(entry, " ")
	opts := []anndata.Option{anndata.WithTempDir(t.TempDir())}
	switch choice {
	case "":
	case "all":
		opts = append(opts, anndata.WithAllFeatures())
	default:
		opts = append(opts, anndata.WithGenome(choice))
	}
	f, err := anndata.Open(filepath.Join(tenXDir, name), opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func TestTenXManifest(t *testing.T) {
	t.Parallel()
	for entry, want := range tenXManifest(t) {
		t.Run(entry, func(t *testing.T) {
			t.Parallel()
			f := openTenX(t, entry)
			x, err := f.X()
			require.NoError(t, err)
			require.True(t, f.HasX())
			require.Equal(t, want.Encoding, x.Encoding())
			require.Equal(t, want.DType, x.DType())
			require.Empty(t, f.Obs().Columns())
			requireTenX(t, f, want)

			// Nothing else is there.
			require.Empty(t, f.Layers())
			require.Empty(t, f.Uns())
			require.False(t, f.HasRaw())
			arrays, err := f.Obsm()
			require.NoError(t, err)
			require.Empty(t, arrays)
			_, err = f.Layer("counts")
			require.ErrorIs(t, err, anndata.ErrNotFound)
			_, err = f.Raw()
			require.ErrorIs(t, err, anndata.ErrNotFound)
			_, err = f.UnsValue(t.Context(), "log1p")
			require.ErrorIs(t, err, anndata.ErrNotFound)
			_, err = f.ObsmArray(t.Context(), "X_pca")
			require.ErrorIs(t, err, anndata.ErrNotFound)
			_, err = f.Obs().Column("celltype")
			require.ErrorIs(t, err, anndata.ErrNotFound)
		})
	}
}

// requireTenX checks the contents of a file.
func requireTenX(t *testing.T, f *anndata.File, want tenXMatrix) {
	t.Helper()
	require.Equal(t, want.NObs, f.NObs())
	require.Equal(t, want.NVars, f.NVars())
	names, err := f.Obs().Index()
	require.NoError(t, err)
	require.Equal(t, want.ObsNames, names)
	names, err = f.Var().Index()
	require.NoError(t, err)
	require.Equal(t, want.VarNames, names)
	require.Len(t, f.Var().Columns(), len(want.Var))
	for name, values := range want.Var {
		c, err := f.Var().Column(name)
		require.NoError(t, err)
		require.Equal(t, name, c.Name)
		require.Equal(t, values, c.Strings())
		kind := anndata.KindCategorical
		if name == "gene_ids" {
			kind = anndata.KindString
		}
		require.Equal(t, kind, c.Kind, name)
	}

	x, err := f.X()
	require.NoError(t, err)
	require.Equal(t, want.NObs, x.NRows())
	require.Equal(t, want.NVars, x.NCols())
	for _, height := range []int{7, 1000} {
		var nnz int64
		var sum, weighted float64
		for from := 0; from < x.NRows(); from += height {
			b, err := x.Rows(t.Context(), from, min(from+height, x.NRows()))
			require.NoError(t, err)
			for i := range b.NRows() {
				columns, values := b.Row(i)
				for k, c := range columns {
					require.True(t, k == 0 || columns[k-1] < c)
					nnz++
					sum += float64(values[k])
					weighted += float64(from+i+1) * float64(c+1) * float64(values[k])
				}
			}
		}
		require.Equal(t, want.NNZ, nnz)
		require.InEpsilon(t, want.Sum, sum, 1e-9)
		require.InEpsilon(t, want.Weighted, weighted, 1e-9)
	}
	nnz, err := x.NNZ(t.Context())
	require.NoError(t, err)
	require.Equal(t, want.NNZ, nnz)
	sum, err := x.Sum(t.Context())
	require.NoError(t, err)
	require.InEpsilon(t, want.Sum, sum, 1e-6)
}

// A copy is an .h5ad file with all of the matrix.
func TestTenXCopy(t *testing.T) {
	t.Parallel()
	for entry, want := range tenXManifest(t) {
		for _, deflate := range []int{0, 4} {
			t.Run(entry, func(t *testing.T) {
				t.Parallel()
				src := openTenX(t, entry)
				dst := filepath.Join(t.TempDir(), "copy.h5ad")
				scores := make([]float32, want.NObs)
				labels := make([]string, want.NObs)
				for i := range scores {
					scores[i], labels[i] = float32(i), []string{"B", "T"}[i%2]
				}
				require.NoError(t, anndata.Copy(t.Context(), src, dst, anndata.Additions{
					Obs:     []anndata.NewColumn{{Name: "score", Values: scores}, {Name: "label", Values: labels}},
					Obsm:    []anndata.NewArray{{Name: "X_emb", Cols: 1, Data: scores}},
					Uns:     map[string]any{"model": "tiny"},
					Deflate: deflate,
				}))
				f, err := anndata.Open(dst)
				require.NoError(t, err)
				defer func() { require.NoError(t, f.Close()) }()
				x, err := f.X()
				require.NoError(t, err)
				require.Equal(t, "csr", x.Encoding())
				require.Equal(t, "float32", x.DType())
				requireTenX(t, f, want)
				require.Equal(t, []string{"score", "label"}, f.Obs().Columns())
				c, err := f.Obs().Column("label")
				require.NoError(t, err)
				require.Equal(t, labels, c.Strings())
				a, err := f.ObsmArray(t.Context(), "X_emb")
				require.NoError(t, err)
				require.Equal(t, scores, a.Data)
				model, err := f.UnsValue(t.Context(), "model")
				require.NoError(t, err)
				require.Equal(t, "tiny", model)

				// The copy can be copied like any other.
				again := filepath.Join(t.TempDir(), "again.h5ad")
				require.NoError(t, anndata.Copy(t.Context(), f, again, anndata.Additions{Uns: map[string]any{"k": 1}}))
			})
		}
	}
}

func TestTenXCopyFails(t *testing.T) {
	t.Parallel()
	// A folder of our own, whose files must survive.
	dir := t.TempDir()
	for _, name := range []string{"matrix.mtx", "genes.tsv", "barcodes.tsv"} {
		b, err := os.ReadFile(filepath.Join(tenXDir, "v2", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	f, err := anndata.Open(dir)
	require.NoError(t, err)
	require.Equal(t, dir, f.Path())
	for _, name := range []string{"", "matrix.mtx", "genes.tsv", "barcodes.tsv"} {
		err := anndata.Copy(t.Context(), f, filepath.Join(dir, name), anndata.Additions{})
		require.ErrorContains(t, err, "is the file that is read")
	}
	dst := filepath.Join(t.TempDir(), "copy.h5ad")
	require.ErrorContains(t, anndata.Copy(t.Context(), f, dst, anndata.Additions{Obs: []anndata.NewColumn{{Name: "short", Values: []bool{true}}}}), "obs/short has 1 values, but there are 40 rows")
	require.ErrorContains(t, anndata.Copy(t.Context(), f, dst, anndata.Additions{Obs: []anndata.NewColumn{{Name: "_index", Values: make([]bool, 40)}}}), "obs/_index")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, anndata.Copy(ctx, f, dst, anndata.Additions{}), context.Canceled)
	require.NoFileExists(t, dst)
	left, err := os.ReadDir(filepath.Dir(dst))
	require.NoError(t, err)
	require.Empty(t, left)

	require.NoError(t, f.Close())
	x, err := f.X()
	require.NoError(t, err)
	_, err = x.Rows(t.Context(), 0, 1)
	require.ErrorIs(t, err, fs.ErrClosed)
}

func TestTenXGenomes(t *testing.T) {
	t.Parallel()
	two := filepath.Join(tenXDir, "v2_two_genomes.h5")
	_, err := anndata.Open(two)
	require.EqualError(t, err, two+`: has the genomes "hg19", "mm10"; say which one to open`)
	_, err = anndata.Open(two, anndata.WithGenome("GRCh38"))
	require.EqualError(t, err, two+`: there is no genome "GRCh38"; there are "hg19", "mm10"`)
	require.ErrorIs(t, err, anndata.ErrNotFound)

	three := filepath.Join(tenXDir, "v3_antibodies.h5")
	_, err = anndata.Open(three, anndata.WithGenome("mm10"))
	require.EqualError(t, err, three+`: there is no genome "mm10"; there are "", "GRCh38"`)
	f, err := anndata.Open(three, anndata.WithGenome("GRCh38"), anndata.WithAllFeatures())
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	require.Equal(t, 160, f.NVars()) // antibodies have no genome
}

// What is opened goes through its content, whatever the name.
func TestTenXByContent(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join(tenXDir, "v3.h5"))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "counts.h5ad")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	f, err := anndata.Open(path)
	require.NoError(t, err)
	require.Equal(t, 160, f.NVars())
	require.NoError(t, f.Close())
}
