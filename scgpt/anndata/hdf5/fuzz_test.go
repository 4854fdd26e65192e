package hdf5

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"time"

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

// FuzzOpen reads all of a file, without regard to checksums, which mutations
// would not get past, and edits what can be read.
func FuzzOpen(f *testing.F) {
	for _, path := range []string{
		"testdata/tiny_latest.h5",
		"testdata/tiny_earliest.h5",
		"testdata/implicit.h5",
		"testdata/shared.h5",
		"testdata/paged_space.h5",
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
		file := &File{name: "fuzz", r: bytes.NewReader(b), size: uint64(len(b)), skipChecksums: true}
		if err := file.open(); err != nil {
			requireFormatError(t, err)
			return
		}
		_, err := upTo(ctx, file, 1<<20)
		if errors.Is(err, context.DeadlineExceeded) {
			t.Fatal("reading does not end")
		}
		if err != nil {
			requireFormatError(t, err)
			return
		}
		root, err := file.Root()
		if err != nil {
			t.Fatal(err)
		}
		out := &memory{}
		w, err := Extend(ctx, out, file)
		if err != nil {
			requireFormatError(t, err)
			return
		}
		ref, err := w.Edit(root, Edit{RemoveAttrs: []string{"none"}})
		if err != nil {
			return // attributes too long for a header
		}
		if err := w.Finish(ref); err != nil {
			requireFormatError(t, err)
			return
		}
		// Hostile structures may overlap what an edit changes, so what is read
		// now may differ; it must still be read or refused.
		edited := &File{name: "edited", r: bytes.NewReader(out.buf), size: uint64(len(out.buf)), skipChecksums: true}
		if err := edited.open(); err != nil {
			t.Fatal(err)
		}
		if _, err := upTo(ctx, edited, 1<<20); err != nil {
			requireFormatError(t, err)
		}
	})
}

// requireFormatError requires an error of the kind that callers are told of.
func requireFormatError(t *testing.T, err error) {
	t.Helper()
	var fe *FormatError
	if !errors.As(err, &fe) && !errors.Is(err, ErrNotFound) {
		t.Fatalf("%T: %v", err, err)
	}
}
