package anndata

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
	"github.com/seed-ab6af24b/troupe/scgpt/internal/alloctest"
)

// memory is a file for a Writer.
type memory struct{ buf []byte }

func (m *memory) WriteAt(p []byte, at int64) (int, error) {
	if n := int(at) + len(p); n > len(m.buf) {
		m.buf = append(m.buf, make([]byte, n-len(m.buf))...)
	}
	return copy(m.buf[at:], p), nil
}

// FuzzOpen reads what a file has, and copies it. The files to begin with are
// of the oldest format, whose structures have no checksums.
func FuzzOpen(f *testing.F) {
	for _, path := range []string{
		filepath.Join(h5adDir, "nnz0.h5ad"),
		filepath.Join(h5adDir, "empty_0x10.h5ad"),
		filepath.Join(h5adDir, "old06_csr.h5ad"),
		filepath.Join(h5adDir, "old07_csr.h5ad"),
		"testdata/claims.h5ad",
	} {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		defer alloctest.Limit(t, alloctest.Most)()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		h5, err := hdf5.NewFile("fuzz.h5ad", bytes.NewReader(b), int64(len(b)))
		if err != nil {
			requireInvalid(t, err)
			return
		}
		file, err := open("fuzz.h5ad", h5, WithTempDir(t.TempDir()))
		if err != nil {
			requireInvalid(t, err)
			return
		}
		defer func() {
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
		}()
		readAll(ctx, t, file)
		if ctx.Err() != nil {
			t.Fatal("reading does not end")
		}
		if file.x != nil {
			return // see FuzzTenXH5
		}

		w, err := hdf5.Extend(ctx, &memory{}, h5)
		if err != nil {
			requireInvalid(t, err)
			return
		}
		c := &copier{elements: elements{Writer: w, ctx: ctx}, src: file}
		root, err := c.copy(Additions{Uns: map[string]any{"k": "v"}})
		if err == nil {
			err = c.Finish(root)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			t.Fatal("copying does not end")
		}
	})
}

func readAll(ctx context.Context, t *testing.T, f *File) {
	for _, fr := range []*Frame{f.Obs(), f.Var()} {
		_, err := fr.Index()
		requireInvalid(t, err)
		for _, name := range fr.Columns() {
			c, err := fr.Column(name)
			requireInvalid(t, err)
			if err == nil && (len(c.Strings()) != fr.Len() || c.Len() != fr.Len()) {
				t.Fatalf("%s has %d rows, want %d", name, c.Len(), fr.Len())
			}
		}
	}
	matrices := []func() (*Matrix, error){f.X, func() (*Matrix, error) {
		r, err := f.Raw()
		if err != nil {
			return nil, err
		}
		return r.X(), nil
	}}
	for _, name := range f.Layers() {
		matrices = append(matrices, func() (*Matrix, error) { return f.Layer(name) })
	}
	for _, open := range matrices {
		m, err := open()
		requireInvalid(t, err)
		if err != nil {
			continue
		}
		for _, from := range []int{0, max(0, m.NRows()-50)} {
			b, err := m.Rows(ctx, from, min(from+50, m.NRows()))
			requireInvalid(t, err)
			if err == nil {
				requireBlock(t, b, m.NCols())
			}
		}
	}
	infos, err := f.Obsm()
	requireInvalid(t, err)
	for _, info := range infos {
		_, err := f.ObsmArray(ctx, info.Name)
		requireInvalid(t, err)
	}
	for _, name := range f.Uns() {
		_, err := f.UnsValue(ctx, name)
		requireInvalid(t, err)
	}
}

// requireBlock checks what the documentation of Block promises.
func requireBlock(t *testing.T, b *Block, cols int) {
	t.Helper()
	if len(b.Indptr) != b.NRows()+1 || b.Indptr[0] != 0 || b.Indptr[b.NRows()] != int64(len(b.Values)) || len(b.Indices) != len(b.Values) {
		t.Fatalf("a block of %d rows has %d pointers, %d indices, %d values", b.NRows(), len(b.Indptr), len(b.Indices), len(b.Values))
	}
	for i := range b.NRows() {
		columns, values := b.Row(i)
		for k, c := range columns {
			if c < 0 || int(c) >= cols || k > 0 && columns[k-1] >= c || values[k] == 0 {
				t.Fatalf("row %d: entry %d is column %d, value %v", i, k, c, values[k])
			}
		}
	}
}

// requireInvalid accepts no error but those that callers are told of.
func requireInvalid(t *testing.T, err error) {
	t.Helper()
	var invalid interface{ ErrorType() string }
	if err != nil && !errors.As(err, &invalid) && !errors.Is(err, hdf5.ErrNotFound) {
		t.Fatalf("%T: %v", err, err)
	}
}
