package anndata

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// openFolder opens a folder as Cell Ranger writes it: matrix.mtx with genes as
// rows, features.tsv (genes.tsv before version 3) and barcodes.tsv, each of them
// compressed by gzip or not. All three names may begin with the same prefix.
func openFolder(path string, opts []Option) (*File, error) {
	f := newFile(path, opts)
	names, err := marketFiles(path)
	if err != nil {
		return nil, err
	}
	f.parts = names.list()
	opener := func(name string) func() (*textFile, error) {
		return func() (*textFile, error) { return openText(name) }
	}
	if err := f.openMarketFiles(names, opener); err != nil {
		return nil, err
	}
	return f, nil
}

// openMarketFiles reads the header of the matrix and the tables beside it.
func (f *File) openMarketFiles(names marketNames, opener func(name string) func() (*textFile, error)) error {
	k, err := openMarket(names.matrix, opener(names.matrix))
	if err != nil {
		return err
	}
	genes, err := openTSV(opener(names.features), 2)
	if err != nil {
		return err
	}
	barcodes, err := openTSV(opener(names.barcodes), 1)
	if err != nil {
		return err
	}
	if genes.lines != k.genes || barcodes.lines != k.cells {
		hint := ""
		if genes.lines == k.cells && barcodes.lines == k.genes {
			hint = ": the matrix has cells as rows, want genes as rows"
		}
		return f.errorf("%s is of %d genes and %d cells, but %s has %d lines and %s %d%s", filepath.Base(names.matrix), k.genes, k.cells,
			filepath.Base(names.features), genes.lines, filepath.Base(names.barcodes), barcodes.lines, hint)
	}
	chosen := selection{total: genes.lines}
	typed := genes.least == 3
	if typed && !f.allFeatures {
		types, err := genes.column(2)
		if err != nil {
			return err
		}
		chosen = selectGenes(types)
	}
	k.place = chosen.place()
	column := func(number int) func() ([]string, error) {
		return func() ([]string, error) {
			values, err := genes.column(number)
			if err != nil {
				return nil, err
			}
			if len(values) != genes.lines {
				return nil, f.errorf("%s has %d lines, but had %d when it was opened", filepath.Base(names.features), len(values), genes.lines)
			}
			return chosen.of(values), nil
		}
	}
	f.obs = f.newLazyFrame("obs", barcodes.lines, textColumn(func() ([]string, error) { return barcodes.column(0) }))
	f.vars = f.newLazyFrame("var", chosen.len(), textColumn(column(1)))
	f.vars.add("gene_ids", textColumn(column(0)))
	if typed {
		f.vars.add("feature_types", categoryColumn(column(2)))
	}
	f.x = &Matrix{
		file:     f,
		path:     filepath.Base(names.matrix),
		encoding: "mtx",
		rows:     k.cells,
		cols:     chosen.len(),
		market:   k,
		sorter:   make(chan struct{}, 1),
	}
	return nil
}

// Parts returns the paths of the files that [Open] reads for a path: itself, or the
// three files of a folder of 10x Genomics. Errors are as Open's.
func Parts(path string) ([]string, error) {
	if !isFolder(path) {
		return []string{path}, nil
	}
	names, err := marketFiles(path)
	if err != nil {
		return nil, err
	}
	return names.list(), nil
}

// marketNames are the paths of the three files.
type marketNames struct{ matrix, features, barcodes string }

func (n marketNames) list() []string { return []string{n.matrix, n.features, n.barcodes} }

// marketFiles finds the files in a folder.
func marketFiles(folder string) (marketNames, error) {
	var names marketNames
	list, err := os.ReadDir(folder)
	if err != nil {
		return names, err
	}
	there := map[string]bool{}
	var matrices []string
	for _, e := range list {
		there[e.Name()] = true
		if plain := strings.TrimSuffix(e.Name(), ".gz"); strings.HasSuffix(plain, "matrix.mtx") {
			matrices = append(matrices, e.Name())
		}
	}
	bad := func(reason string) (marketNames, error) {
		return names, &DataError{File: folder, Reason: reason}
	}
	find := func(bases ...string) string {
		for _, base := range bases {
			for _, ext := range []string{"", ".gz"} {
				if there[base+ext] {
					return filepath.Join(folder, base+ext)
				}
			}
		}
		return ""
	}
	prefix := ""
	if names.matrix = find("matrix.mtx"); names.matrix == "" {
		prefixes := map[string]bool{}
		for _, m := range matrices {
			prefix = strings.TrimSuffix(strings.TrimSuffix(m, ".gz"), "matrix.mtx")
			prefixes[prefix] = true
		}
		switch len(prefixes) {
		case 0:
			return bad("a folder without matrix.mtx or matrix.mtx.gz: want an .h5ad file, an .h5 file of 10x Genomics or a folder with a matrix of theirs")
		case 1:
			names.matrix = find(prefix + "matrix.mtx")
		default:
			return bad("holds several matrices, " + strings.Join(matrices, ", ") + ": want a folder for each")
		}
	}
	if names.features = find(prefix+"features.tsv", prefix+"genes.tsv"); names.features == "" {
		return bad("has " + filepath.Base(names.matrix) + ", but neither " + prefix + "features.tsv nor " + prefix + "genes.tsv, compressed by gzip or not")
	}
	if names.barcodes = find(prefix + "barcodes.tsv"); names.barcodes == "" {
		return bad("has " + filepath.Base(names.matrix) + ", but not " + prefix + "barcodes.tsv, compressed by gzip or not")
	}
	return names, nil
}

// isFolder reports whether there is a folder at path.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// explain says what to open instead of a file that is no HDF5 file but part of
// a folder that can be opened.
func explain(path string, err error) error {
	plain := strings.TrimSuffix(path, ".gz")
	if errors.Is(err, fs.ErrNotExist) || !strings.HasSuffix(plain, ".mtx") && !strings.HasSuffix(plain, ".tsv") {
		return err
	}
	return &DataError{File: path, Reason: "one of the files of a matrix; open the folder that holds matrix.mtx, features.tsv and barcodes.tsv"}
}
