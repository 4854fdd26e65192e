package anndata

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
)

// A market is a matrix in a Matrix Market file, genes by cells. See "The Matrix
// Market Exchange Formats", NISTIR 5935.
type market struct {
	open  func() (*textFile, error)
	path  string
	field string // "integer" or "real"
	genes int
	cells int
	size  int64 // entries

	// place has for each gene of the file its column here, -1 where it is left
	// out; nil leaves all where they are.
	place []int32

	// Of the entries that were sorted: how many are not zero, and their sum.
	nnz int64
	sum float64
}

// openMarket reads the header of a matrix.
func openMarket(path string, open func() (*textFile, error)) (*market, error) {
	t, err := open()
	if err != nil {
		return nil, err
	}
	k := &market{open: open, path: path}
	return k, errors.Join(k.header(t), t.Close())
}

// header reads all before the entries.
func (k *market) header(t *textFile) error {
	line, err := t.next()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	words := strings.Fields(strings.ToLower(string(line)))
	if len(words) == 0 || words[0] != "%%matrixmarket" {
		return t.errorf("begins with %s, want %q: not a Matrix Market file", excerpt(line), "%%MatrixMarket")
	}
	if len(words) != 5 || words[1] != "matrix" || words[2] != "coordinate" || (words[3] != "integer" && words[3] != "real") || words[4] != "general" {
		return t.errorf("%s, want %q or real in place of integer", excerpt(line), "%%MatrixMarket matrix coordinate integer general")
	}
	k.field = words[3]
	for {
		line, err := t.next()
		if errors.Is(err, io.EOF) {
			return t.errorf("the file ends before the line of sizes")
		}
		if err != nil {
			return err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '%' {
			continue
		}
		sizes, ok := sizesOf(line)
		if !ok {
			return t.errorf("%s, want three sizes: genes, cells and entries", excerpt(line))
		}
		if sizes[0] > math.MaxInt32 || sizes[1] > math.MaxInt32 {
			return t.errorf("%d genes and %d cells; at most %d of each are possible", sizes[0], sizes[1], math.MaxInt32)
		}
		if sizes[2] > sizes[0]*sizes[1] {
			return t.errorf("%d entries, but %d genes and %d cells have %d at most", sizes[2], sizes[0], sizes[1], sizes[0]*sizes[1])
		}
		k.genes, k.cells, k.size = int(sizes[0]), int(sizes[1]), sizes[2]
		return nil
	}
}

// sizesOf reads three numbers that are not negative.
func sizesOf(line []byte) (sizes [3]int64, ok bool) {
	words := bytes.Fields(line)
	if len(words) != len(sizes) {
		return sizes, false
	}
	for i, w := range words {
		n, err := strconv.ParseInt(string(w), 10, 64)
		if err != nil || n < 0 {
			return sizes, false
		}
		sizes[i] = n
	}
	return sizes, true
}

// scan calls each with the entries that are not zero, in the order of the file.
func (k *market) scan(ctx context.Context, each func(cell int, column int32, value float64) error) (err error) {
	t, err := k.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	now := &market{}
	if err := now.header(t); err != nil {
		return err
	}
	if now.genes != k.genes || now.cells != k.cells || now.size != k.size || now.field != k.field {
		return t.errorf("%d genes, %d cells, %d entries, but when the file was opened %d, %d and %d: it was changed", now.genes, now.cells, now.size, k.genes, k.cells, k.size)
	}
	for n := int64(0); ; {
		line, err := t.next()
		if errors.Is(err, io.EOF) {
			if n < k.size {
				return t.errorf("the file ends after %d entries, want %d", n, k.size)
			}
			return nil
		}
		if err != nil {
			return err
		}
		if t.line%(1<<14) == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		gene, cell, value, err := k.entry(line)
		if err != nil {
			return t.errorf("%s: %v", excerpt(line), err)
		}
		if gene < 0 {
			continue
		}
		if n++; n > k.size {
			return t.errorf("more entries than the %d of the header", k.size)
		}
		column := int32(gene)
		if k.place != nil {
			column = k.place[gene]
		}
		if float32(value) == 0 || column < 0 {
			continue
		}
		if err := each(cell, column, value); err != nil {
			return err
		}
	}
}
