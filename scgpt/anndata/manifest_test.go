package anndata_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
)

const (
	h5adDir  = "../../testdata/h5ad"
	cellsDir = "../../testdata/cells"
)

// A fixture is one row of the manifest: what Python's anndata finds in a file.
type fixture struct {
	file, shape, encoding, nnz, sum string
	names                           []string
	err                             string
	categories                      map[string][]string
}

func (f fixture) path() string {
	if real, ok := strings.CutPrefix(f.file, "real_"); ok {
		return filepath.Join(cellsDir, real)
	}
	return filepath.Join(h5adDir, f.file)
}

func manifest(t testing.TB) []fixture {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(h5adDir, "MANIFEST.tsv"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	var out []fixture
	for _, line := range lines[1:] {
		c := strings.Split(line, "\t")
		require.Len(t, c, 11, line)
		f := fixture{file: c[0], shape: c[5], encoding: c[6], nnz: c[7], sum: c[8]}
		if strings.HasPrefix(c[9], "anndata error") {
			f.err = c[9]
		} else {
			if c[9] != "" {
				f.names = strings.Split(c[9], ",")
			}
			require.NoError(t, json.Unmarshal([]byte(c[10]), &f.categories), line)
		}
		out = append(out, f)
	}
	require.NotEmpty(t, out)
	return out
}

func TestManifest(t *testing.T) {
	t.Parallel()
	for _, want := range manifest(t) {
		if want.err != "" || want.file == "bad_indices.h5ad" {
			continue // see TestBadFiles and, of other numbers, TestEncodingsAgree
		}
		t.Run(want.file, func(t *testing.T) {
			t.Parallel()
			f, err := anndata.Open(want.path(), anndata.WithTempDir(t.TempDir()))
			require.NoError(t, err)
			defer func() { require.NoError(t, f.Close()) }()
			require.Equal(t, want.shape, fmt.Sprintf("%dx%d", f.NObs(), f.NVars()))

			names, err := f.Obs().Index()
			require.NoError(t, err)
			require.Len(t, names, f.NObs())
			if len(want.names) > 0 {
				require.Equal(t, want.names, names[:3])
			}
			genes, err := f.Var().Index()
			require.NoError(t, err)
			require.Len(t, genes, f.NVars())

			checkColumns(t, f.Obs(), want.categories)
			checkColumns(t, f.Var(), nil)

			if want.encoding == "-" {
				require.False(t, f.HasX())
				_, err := f.X()
				require.ErrorIs(t, err, anndata.ErrNoX)
				return
			}
			x, err := f.X()
			require.NoError(t, err)
			checkMatrix(t, x, want)
		})
	}
}

// checkColumns reads every column; categories that the manifest names must be
// there, at most the first six.
func checkColumns(t *testing.T, fr *anndata.Frame, categories map[string][]string) {
	t.Helper()
	for _, name := range fr.Columns() {
		c, err := fr.Column(name)
		require.NoError(t, err)
		require.Equal(t, name, c.Name)
		require.Equal(t, fr.Len(), c.Len())
		require.Len(t, c.Strings(), fr.Len())
		if want, ok := categories[name]; ok && c.Kind == anndata.KindCategorical {
			require.Equal(t, want, c.Categories[:min(6, len(c.Categories))])
			delete(categories, name)
		}
	}
	// anndata turns texts into categories when it writes; hand-built files of
	// old releases have the texts.
	for name := range categories {
		require.True(t, fr.Has(name), name)
	}
}

func checkMatrix(t *testing.T, x *anndata.Matrix, want fixture) {
	t.Helper()
	encoding := map[string]string{"csr_matrix": "csr", "csc_matrix": "csc", "ndarray": "dense"}
	parts := strings.Split(want.encoding, "/")
	require.Equal(t, encoding[parts[0]], x.Encoding())
	require.Equal(t, parts[1], x.DType())

	nnz, err := x.NNZ(t.Context())
	require.NoError(t, err)
	require.Equal(t, want.nnz, strconv.FormatInt(nnz, 10))
	wantSum, err := strconv.ParseFloat(want.sum, 64)
	require.NoError(t, err)
	sum, err := x.Sum(t.Context())
	require.NoError(t, err)
	require.InDelta(t, wantSum, sum, 1e-9*max(1, wantSum))

	// The same by rows, in blocks that do not divide the matrix evenly.
	var count int64
	var total float64
	for from := 0; from < x.NRows(); from += 37 {
		b, err := x.Rows(t.Context(), from, min(from+37, x.NRows()))
		require.NoError(t, err)
		count += int64(len(b.Values))
		for _, v := range b.Values {
			total += float64(v)
		}
	}
	require.Equal(t, nnz, count)
	require.InDelta(t, wantSum, total, 1e-6*max(1, wantSum))
}
