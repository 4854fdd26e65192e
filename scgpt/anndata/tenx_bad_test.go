package anndata

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// A sound folder of 3 genes and 2 cells.
const (
	soundMatrix   = "%%MatrixMarket matrix coordinate integer general\n%\n3 2 4\n1 1 5\n3 1 1\n2 2 7\n3 2 2\n"
	soundFeatures = "ENSG1\tA\tGene Expression\nENSG2\tB\tGene Expression\nENSG3\tC\tGene Expression\n"
	soundBarcodes = "AAA-1\nCCC-1\n"
)

func writeFolder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func zipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// What is wrong with a folder is said when it is opened, but what is wrong with
// the entries of its matrix when they are read.
func TestBadFolders(t *testing.T) {
	t.Parallel()
	const header = "%%MatrixMarket matrix coordinate integer general\n"
	matrix := func(text string) map[string]string { return map[string]string{"matrix.mtx": text} }
	entries := func(lines string) map[string]string { return matrix(header + "3 2 4\n" + lines) }
	for name, c := range map[string]struct {
		files map[string]string // instead of or besides the sound ones; empty for none
		want  string            // after the path of the folder
	}{
		"no matrix":       {matrix(""), ": a folder without matrix.mtx or matrix.mtx.gz: want an .h5ad file, an .h5 file of 10x Genomics or a folder with a matrix of theirs"},
		"no features":     {map[string]string{"features.tsv": ""}, ": has matrix.mtx, but neither features.tsv nor genes.tsv, compressed by gzip or not"},
		"no barcodes":     {map[string]string{"barcodes.tsv": ""}, ": has matrix.mtx, but not barcodes.tsv, compressed by gzip or not"},
		"two matrices":    {map[string]string{"matrix.mtx": "", "a_matrix.mtx": "x", "b_matrix.mtx.gz": "x"}, ": holds several matrices, a_matrix.mtx, b_matrix.mtx.gz: want a folder for each"},
		"no prefix":       {map[string]string{"matrix.mtx": "", "a_matrix.mtx": "x"}, ": has a_matrix.mtx, but neither a_features.tsv nor a_genes.tsv, compressed by gzip or not"},
		"dense":           {matrix("%%MatrixMarket matrix array real general\n3 2\n"), `/matrix.mtx: line 1: "%%MatrixMarket matrix array real general", want "%%MatrixMarket matrix coordinate integer general" or real in place of integer`},
		"symmetric":       {matrix("%%MatrixMarket matrix coordinate real symmetric\n2 2 0\n"), `/matrix.mtx: line 1: "%%MatrixMarket matrix coordinate real symmetric", want "%%MatrixMarket matrix coordinate integer general" or real in place of integer`},
		"other text":      {matrix("gene,cell\n"), `/matrix.mtx: line 1: begins with "gene,cell", want "%%MatrixMarket": not a Matrix Market file`},
		"no header":       {matrix("\n"), `/matrix.mtx: line 1: begins with "", want "%%MatrixMarket": not a Matrix Market file`},
		"no sizes":        {matrix(header + "% 1 2 3\n"), "/matrix.mtx: line 2: the file ends before the line of sizes"},
		"two sizes":       {matrix(header + "3 2\n"), `/matrix.mtx: line 2: "3 2", want three sizes: genes, cells and entries`},
		"no size":         {matrix(header + "3 * 4\n"), `/matrix.mtx: line 2: "3 * 4", want three sizes: genes, cells and entries`},
		"negative size":   {matrix(header + "3 2 -4\n"), `/matrix.mtx: line 2: "3 2 -4", want three sizes: genes, cells and entries`},
		"huge":            {matrix(header + "3000000000 2 4\n"), "/matrix.mtx: line 2: 3000000000 genes and 2 cells; at most 2147483647 of each are possible"},
		"too many":        {matrix(header + "3 2 7\n"), "/matrix.mtx: line 2: 7 entries, but 3 genes and 2 cells have 6 at most"},
		"transposed":      {matrix(header + "2 3 0\n"), ": matrix.mtx is of 2 genes and 3 cells, but features.tsv has 3 lines and barcodes.tsv 2: the matrix has cells as rows, want genes as rows"},
		"more genes":      {matrix(header + "2000000000 2 0\n"), ": matrix.mtx is of 2000000000 genes and 2 cells, but features.tsv has 3 lines and barcodes.tsv 2"},
		"one column":      {map[string]string{"features.tsv": "A\nB\nC\n"}, `/features.tsv: line 1: "A" has 1 columns, want a symbol in column 2`},
		"column missing":  {map[string]string{"features.tsv": "E1\tA\tGene Expression\nE2\tB\nE3\tC\tGene Expression\n"}, `/features.tsv: line 2: "E2\tB" has 2 columns, want a feature type in column 3`},
		"empty line":      {map[string]string{"barcodes.tsv": "AAA-1\n\nCCC-1\n"}, "/barcodes.tsv: line 2: is empty"},
		"not UTF-8":       {map[string]string{"barcodes.tsv": "AAA-1\n\xff\xfe\n"}, `/barcodes.tsv: line 2: "\xff\xfe" is not text in UTF-8`},
		"NUL":             {map[string]string{"barcodes.tsv": "AAA-1\nA\x00\n"}, `/barcodes.tsv: line 2: "A\x00" is not text in UTF-8`},
		"long line":       {map[string]string{"barcodes.tsv": "AAA-1\n" + strings.Repeat("A", 1<<19)}, "/barcodes.tsv: line 2: has more than 262144 bytes"},
		"gene too large":  {entries("1 1 5\n4 1 1\n"), `/matrix.mtx: line 4: "4 1 1": position 4, but there are 3 genes, counted from 1`},
		"gene 0":          {entries("0 1 5\n"), `/matrix.mtx: line 3: "0 1 5": position 0, but there are 3 genes, counted from 1`},
		"cell too large":  {entries("1 3 5\n"), `/matrix.mtx: line 3: "1 3 5": position 3, but there are 2 cells, counted from 1`},
		"no number":       {entries("1 x 5\n"), `/matrix.mtx: line 3: "1 x 5": want a gene, a cell and a value`},
		"no value":        {entries("1 1\n"), `/matrix.mtx: line 3: "1 1": want a gene, a cell and a value`},
		"four words":      {entries("1 1 5 6\n"), `/matrix.mtx: line 3: "1 1 5 6": want a gene, a cell and a value`},
		"fraction":        {entries("1 1 1.5\n"), `/matrix.mtx: line 3: "1 1 1.5": the value is not a whole number, but the first line says integer`},
		"text as value":   {matrix("%%MatrixMarket matrix coordinate real general\n3 2 4\n1 1 many\n"), `/matrix.mtx: line 3: "1 1 many": want a gene, a cell and a value`},
		"entries missing": {entries("1 1 5\n3 1 1\n"), "/matrix.mtx: line 4: the file ends after 2 entries, want 4"},
		"entries beyond":  {entries("1 1 5\n3 1 1\n2 2 7\n3 2 2\n2 1 1\n"), "/matrix.mtx: line 7: more entries than the 4 of the header"},
		"entry twice":     {entries("1 1 5\n3 2 1\n2 2 7\n3 2 2\n"), ": matrix.mtx: cell 1 has two entries of gene 2, both counted from 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"matrix.mtx": soundMatrix, "features.tsv": soundFeatures, "barcodes.tsv": soundBarcodes}
			for name, text := range c.files {
				files[name] = text
				if text == "" {
					delete(files, name)
				}
			}
			dir := writeFolder(t, files)
			f, err := Open(dir, WithTempDir(t.TempDir()))
			if err == nil {
				defer func() { require.NoError(t, f.Close()) }()
				_, err = f.x.Rows(t.Context(), 0, 2)
			}
			require.EqualError(t, err, dir+filepath.FromSlash(c.want[:1])+c.want[1:])
			requireInvalid(t, err)
		})
	}
}

// Compressed files that are damaged or cut short.
func TestBadGzip(t *testing.T) {
	t.Parallel()
	whole := zipped(t, strings.Repeat("AAACCTGA-1\n", 1000))
	damaged := []byte(whole)
	damaged[len(damaged)/2] ^= 0xff
	for name, c := range map[string]struct{ text, want string }{
		"damaged":    {string(damaged), "the compressed data are damaged or cut short"},
		"cut":        {whole[:len(whole)-9], "the compressed data are damaged or cut short"},
		"cut header": {whole[:4], "the compressed data are damaged or cut short"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := writeFolder(t, map[string]string{"matrix.mtx": soundMatrix, "features.tsv": soundFeatures, "barcodes.tsv.gz": c.text})
			_, err := Open(dir)
			require.ErrorContains(t, err, filepath.Join(dir, "barcodes.tsv.gz")+": ")
			require.ErrorContains(t, err, c.want)
			requireInvalid(t, err)
		})
	}
}

// Compressed text of a size out of proportion ends; other text does not.
func TestTextBomb(t *testing.T) {
	t.Parallel()
	lines := strings.Repeat(strings.Repeat("A", 1023)+"\n", textSlack>>10+1)
	for name, c := range map[string]struct {
		text string
		want string
	}{
		"compressed": {zipped(t, lines), "x.tsv: line 16385: the text is more than 256 times as large as the compressed file"},
		"plain":      {lines, "EOF"},
	} {
		text, err := newText("x.tsv", strings.NewReader(c.text), 1)
		require.NoError(t, err)
		for err == nil {
			_, err = text.next()
		}
		require.EqualError(t, err, c.want, name)
		require.Equal(t, textSlack>>10+1, text.line)
	}
}

// Files that change while they are open are refused, not misread.
func TestChangedFolder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, text, want string }{
		"matrix":        {"matrix.mtx", strings.Replace(soundMatrix, "3 2 4", "4 2 4", 1), "it was changed"},
		"fewer genes":   {"features.tsv", soundFeatures[:10], "features.tsv has 1 lines, but had 3 when it was opened"},
		"more genes":    {"features.tsv", soundFeatures + soundFeatures, "there were 3 lines when the file was opened: it was changed"},
		"fewer columns": {"features.tsv", "1\n2\n3\n", ""},
		"no barcodes":   {"barcodes.tsv", "A\n", "_index of obs has 1 rows, but had 2 when the file was opened: it was changed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := writeFolder(t, map[string]string{"matrix.mtx": soundMatrix, "features.tsv": soundFeatures, "barcodes.tsv": soundBarcodes})
			f, err := Open(dir, WithTempDir(t.TempDir()))
			require.NoError(t, err)
			defer func() { require.NoError(t, f.Close()) }()
			require.NoError(t, os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o600))
			_, obs := f.Obs().Index()
			_, vars := f.Var().Index()
			_, rows := f.x.Rows(t.Context(), 0, 2)
			err = errors.Join(obs, vars, rows)
			if c.want == "" {
				require.NoError(t, err) // empty symbols
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

// Opening one file of a folder says what to open.
func TestPartOfFolder(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"v3/matrix.mtx.gz", "v2/matrix.mtx", "v3/features.tsv.gz"} {
		path := filepath.Join("testdata/10x", name)
		_, err := Open(path)
		require.EqualError(t, err, path+": one of the files of a matrix; open the folder that holds matrix.mtx, features.tsv and barcodes.tsv")
		requireInvalid(t, err)
	}
	dir := writeFolder(t, map[string]string{"features.tsv": soundFeatures, "barcodes.tsv": soundBarcodes})
	require.NoError(t, os.Mkdir(filepath.Join(dir, "matrix.mtx"), 0o700))
	_, err := Open(dir)
	require.EqualError(t, err, filepath.Join(dir, "matrix.mtx")+": not a regular file")
	_, err = Open("testdata/10x/none/matrix.mtx")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Whatever may stand in a sound matrix.
func TestMatrixMarket(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"plain":       soundMatrix,
		"compressed":  zipped(t, soundMatrix),
		"no last end": strings.TrimSuffix(soundMatrix, "\n"),
		"Windows":     strings.ReplaceAll(soundMatrix, "\n", "\r\n"),
		"blanks":      "%%matrixmarket MATRIX Coordinate REAL general\n\n% c\n\n 3\t2  4 \n\n1  1\t5.0 \n3 1 1e0\n\n 2 2 +7\n3 2 2\n\n",
		"any order":   "%%MatrixMarket matrix coordinate integer general\n3 2 5\n3 2 2\n2 2 7\n1 2 0\n3 1 1\n1 1 5\n",
		"signs":       "%%MatrixMarket matrix coordinate integer general\n3 2 4\n1 1 +5\n3 1 000000000000000001\n2 2 7\n3 2 2\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := writeFolder(t, map[string]string{"matrix.mtx": text, "genes.tsv": soundFeatures, "barcodes.tsv": strings.TrimSuffix(soundBarcodes, "\n")})
			f, err := Open(dir, WithTempDir(t.TempDir()))
			require.NoError(t, err)
			defer func() { require.NoError(t, f.Close()) }()
			b, err := f.x.Rows(t.Context(), 0, 2)
			require.NoError(t, err)
			require.Equal(t, &Block{From: 0, To: 2, Indptr: []int64{0, 2, 4}, Indices: []int32{0, 2, 1, 2}, Values: []float32{5, 1, 7, 2}}, b)
		})
	}
}

// A matrix of peaks has no genes to choose: all is given. One without cells can
// be opened and copied.
func TestFeatureTypes(t *testing.T) {
	t.Parallel()
	peaks := strings.ReplaceAll(soundFeatures, "Gene Expression", "Peaks")
	f, err := Open(writeFolder(t, map[string]string{"matrix.mtx": soundMatrix, "features.tsv": peaks, "barcodes.tsv": soundBarcodes}))
	require.NoError(t, err)
	require.Equal(t, 3, f.NVars())
	require.NoError(t, f.Close())

	f, err = Open(writeFolder(t, map[string]string{"matrix.mtx": "%%MatrixMarket matrix coordinate integer general\n3 0 0\n", "features.tsv": soundFeatures, "barcodes.tsv": ""}))
	require.NoError(t, err)
	require.Equal(t, 0, f.NObs())
	dst := filepath.Join(t.TempDir(), "empty.h5ad")
	require.NoError(t, Copy(t.Context(), f, dst, Additions{Deflate: 3}))
	require.NoError(t, f.Close())
	f, err = Open(dst)
	require.NoError(t, err)
	require.Equal(t, 3, f.NVars())
	x, err := f.X()
	require.NoError(t, err)
	b, err := x.Rows(t.Context(), 0, 0)
	require.NoError(t, err)
	require.Empty(t, b.Values)
	require.NoError(t, f.Close())
}

// tenXParts are what an .h5 file of 10x Genomics is made of.
type tenXParts struct {
	barcodes, ids, names, types []string
	data, indices, indptr       []int64
	shape                       []int64
}

func soundParts() tenXParts {
	return tenXParts{
		barcodes: []string{"AAA-1", "CCC-1"},
		ids:      []string{"E1", "E2", "E3"},
		names:    []string{"A", "B", "C"},
		types:    []string{geneExpression, "Antibody Capture", geneExpression},
		data:     []int64{5, 1, 7, 2},
		indices:  []int64{0, 2, 1, 2},
		indptr:   []int64{0, 2, 4},
		shape:    []int64{3, 2},
	}
}

// write makes a file of version 3, or 2 where there are no types.
func (p tenXParts) write(t testing.TB) []byte {
	t.Helper()
	out := &memory{}
	e := &elements{Writer: hdf5.Create(out), ctx: t.Context()}
	put := func(name string, values any) hdf5.Entry {
		ref, err := e.list(values)
		require.NoError(t, err)
		return hdf5.NewEntry(name, ref)
	}
	group := func(name string, entries ...hdf5.Entry) hdf5.Entry {
		ref, err := e.Group(entries, nil)
		require.NoError(t, err)
		return hdf5.NewEntry(name, ref)
	}
	members := []hdf5.Entry{put("barcodes", p.barcodes), put("data", p.data), put("indices", p.indices), put("indptr", p.indptr), put("shape", p.shape)}
	name := "matrix"
	if p.types != nil {
		members = append(members, group("features", put("id", p.ids), put("name", p.names), put("feature_type", p.types), put("genome", p.types), put("number", p.shape)))
	} else {
		name = "hg19"
		members = append(members, put("genes", p.ids), put("gene_names", p.names))
	}
	root, err := e.Group([]hdf5.Entry{group(name, members...)}, nil)
	require.NoError(t, err)
	require.NoError(t, e.Finish(root))
	return out.buf
}

func openBytes(b []byte, opts ...Option) (*File, error) {
	h5, err := hdf5.NewFile("x.h5", bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	return open("x.h5", h5, opts...)
}

func TestTenXH5(t *testing.T) {
	t.Parallel()
	f, err := openBytes(soundParts().write(t))
	require.NoError(t, err)
	b, err := f.x.Rows(t.Context(), 0, 2)
	require.NoError(t, err)
	require.Equal(t, &Block{From: 0, To: 2, Indptr: []int64{0, 2, 3}, Indices: []int32{0, 1, 1}, Values: []float32{5, 1, 2}}, b)
	// What is no list of texts, one for each feature, is no column.
	require.Equal(t, []string{"gene_ids", "feature_types", "genome"}, f.Var().Columns())
	// The genes of a genome that has antibodies alone.
	f, err = openBytes(soundParts().write(t), WithGenome("Antibody Capture"))
	require.NoError(t, err)
	require.Equal(t, 0, f.NVars())
	b, err = f.x.Rows(t.Context(), 0, 2)
	require.NoError(t, err)
	require.Empty(t, b.Values)
}

func TestBadTenXH5(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(p *tenXParts)
		want   string
	}{
		"shape":        {func(p *tenXParts) { p.shape = []int64{2, 3} }, "x.h5: matrix/shape is [2 3], but there are 3 features and 2 barcodes"},
		"no shape":     {func(p *tenXParts) { p.shape = []int64{3} }, "x.h5: matrix/shape holds int64 of shape [1], want 2 whole numbers"},
		"names":        {func(p *tenXParts) { p.names = []string{"A"} }, "x.h5: matrix/features/name has 1 entries, but matrix/features/id has 3"},
		"types":        {func(p *tenXParts) { p.types = []string{"A"} }, "x.h5: matrix/features/feature_type has 1 entries, but matrix/features/id has 3"},
		"names, old":   {func(p *tenXParts) { p.types, p.names = nil, []string{"A"} }, "x.h5: hg19/genes has 3 entries, but hg19/gene_names has 1"},
		"barcodes":     {func(p *tenXParts) { p.barcodes = []string{"A"} }, "x.h5: matrix/shape is [3 2], but there are 3 features and 1 barcodes"},
		"indptr":       {func(p *tenXParts) { p.indptr = []int64{0, 4} }, "x.h5: matrix/indptr has 2 entries, want 3 for 2 rows"},
		"indptr falls": {func(p *tenXParts) { p.indptr = []int64{0, 5, 4} }, "x.h5: matrix/indptr[1] = 5, but there are 4 values"},
		"indices":      {func(p *tenXParts) { p.indices[3] = 3 }, "x.h5: matrix/indices[3] = 3, but there are 3 genes"},
		"twice":        {func(p *tenXParts) { p.indices[3] = 1 }, "x.h5: matrix/indices: row 1 has gene 1 twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := soundParts()
			c.change(&p)
			f, err := openBytes(p.write(t))
			if err == nil {
				_, err = f.x.Rows(t.Context(), 0, 2)
			}
			require.EqualError(t, err, c.want)
			requireInvalid(t, err)
		})
	}
	// Totals do not go by rows.
	p := soundParts()
	p.indices[3] = 9
	f, err := openBytes(p.write(t))
	require.NoError(t, err)
	_, err = f.x.NNZ(t.Context())
	require.EqualError(t, err, "x.h5: matrix/indices[3] = 9, but there are 3 features")
}
