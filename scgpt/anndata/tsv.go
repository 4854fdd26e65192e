package anndata

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// A tsv is a table of texts in a file, without a header, whose columns are
// separated by tabs.
type tsv struct {
	open  func() (*textFile, error)
	least int // columns in every line, at most 3
	lines int
}

// columnNames say what the first columns of a table of genes are.
var columnNames = [...]string{"an id", "a symbol", "a feature type"}

// openTSV reads a table once, to count and check its lines: each has the columns
// of the first one, as far as they are among those that are known, and at least
// as many as are needed.
func openTSV(open func() (*textFile, error), need int) (*tsv, error) {
	k := &tsv{open: open}
	err := k.each(func(t *textFile, line []byte) error {
		n := min(bytes.Count(line, []byte{'\t'})+1, len(columnNames))
		if k.least == 0 {
			k.least = max(n, need)
		}
		switch {
		case len(line) == 0:
			return t.errorf("is empty")
		case n < k.least:
			return t.errorf("%s has %d columns, want %s in column %d", excerpt(line), n, columnNames[n], n+1)
		case !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0:
			return t.errorf("%s is not text in UTF-8", excerpt(line))
		}
		k.lines++
		return nil
	})
	return k, err
}

func (k *tsv) each(f func(t *textFile, line []byte) error) (err error) {
	t, err := k.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	for {
		line, err := t.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(t, line); err != nil {
			return err
		}
	}
}

// column reads the texts of one column.
func (k *tsv) column(number int) ([]string, error) {
	out := make([]string, 0, k.lines)
	err := k.each(func(t *textFile, line []byte) error {
		for range number {
			_, line, _ = bytes.Cut(line, []byte{'\t'})
		}
		field, _, _ := bytes.Cut(line, []byte{'\t'})
		if len(out) == k.lines {
			return t.errorf("there were %d lines when the file was opened: it was changed", k.lines)
		}
		out = append(out, string(field))
		return nil
	})
	return out, err
}
