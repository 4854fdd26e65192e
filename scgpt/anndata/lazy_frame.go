package anndata

import "context"

// A lazyColumn reads a column of a frame that is no group of an .h5ad file.
type lazyColumn func(ctx context.Context) (*Column, error)

// indexName is what anndata calls an index without a name.
const indexName = "_index"

// newLazyFrame makes a frame of n rows with the names that index reads.
func (f *File) newLazyFrame(path string, n int, index lazyColumn) *Frame {
	return &Frame{file: f, path: path, n: n, index: indexName, lazy: map[string]lazyColumn{indexName: index}}
}

// add adds a column, whose name is free.
func (fr *Frame) add(name string, c lazyColumn) {
	fr.columns = append(fr.columns, name)
	fr.lazy[name] = c
}

func (fr *Frame) readLazy(ctx context.Context, name string) (*Column, error) {
	c, err := fr.lazy[name](ctx)
	if err != nil {
		return nil, err
	}
	c.Name = name
	if c.Len() != fr.n {
		return nil, fr.file.errorf("%s of %s has %d rows, but had %d when the file was opened: it was changed", name, fr.path, c.Len(), fr.n)
	}
	return c, nil
}
