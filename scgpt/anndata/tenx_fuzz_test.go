package anndata

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-ab6af24b/troupe/scgpt/internal/alloctest"
)

// FuzzTenXFolder reads and copies a folder of three texts.
func FuzzTenXFolder(f *testing.F) {
	f.Add([]byte(soundMatrix), []byte(soundFeatures), []byte(soundBarcodes))
	f.Add([]byte("%%MatrixMarket matrix coordinate real general\r\n% c\r\n3 2 2\r\n2 1 -1.5e3\r\n1 2 nan\r\n"), []byte("E1\tA\nE2\tB\nE3\tC"), []byte("1\n2"))
	f.Add([]byte(zipped(f, soundMatrix)), []byte(zipped(f, soundFeatures)), []byte(zipped(f, soundBarcodes)))
	f.Fuzz(func(t *testing.T, matrix, features, barcodes []byte) {
		defer alloctest.Limit(t, alloctest.Most)()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		texts := map[string][]byte{"matrix.mtx": matrix, "features.tsv": features, "barcodes.tsv": barcodes}
		opener := func(name string) func() (*textFile, error) {
			return func() (*textFile, error) { return newText(name, bytes.NewReader(texts[name]), int64(len(texts[name]))) }
		}
		dir := t.TempDir()
		file := newFile(dir, []Option{WithTempDir(dir)})
		err := file.openMarketFiles(marketNames{"matrix.mtx", "features.tsv", "barcodes.tsv"}, opener)
		if err != nil {
			requireInvalid(t, err)
			return
		}
		checkTenX(ctx, t, file)
	})
}

// FuzzTenXH5 does the same with an .h5 file.
func FuzzTenXH5(f *testing.F) {
	sound := soundParts()
	f.Add(sound.write(f))
	sound.types = nil
	f.Add(sound.write(f))
	for _, name := range []string{"v2.h5", "v3_antibodies.h5"} {
		b, err := os.ReadFile(filepath.Join("testdata/10x", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		defer alloctest.Limit(t, alloctest.Most)()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		file, err := openBytes(b, WithTempDir(t.TempDir()))
		if err != nil {
			requireInvalid(t, err)
			return
		}
		if file.x != nil {
			checkTenX(ctx, t, file)
		}
	})
}

// checkTenX reads all of a file and copies it. What the copy has is what was
// read.
func checkTenX(ctx context.Context, t *testing.T, file *File) {
	defer func() {
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	readAll(ctx, t, file)
	_, err := file.x.NNZ(ctx)
	requireInvalid(t, err)
	if ctx.Err() != nil {
		t.Fatal("reading does not end")
	}
	if file.NObs() > 1<<16 || file.NVars() > 1<<16 {
		return // sound files of this size are made up of little
	}
	out := &memory{}
	err = file.convert(ctx, out, Additions{})
	if errors.Is(err, context.DeadlineExceeded) {
		t.Fatal("copying does not end")
	}
	if err != nil {
		return // names that cannot stand in an .h5ad file
	}
	again, err := openBytes(out.buf)
	if err != nil {
		t.Fatal(err)
	}
	readAll(ctx, t, again)
	want, err := file.x.Rows(ctx, 0, min(50, file.NObs()))
	if err != nil {
		t.Fatal(err)
	}
	x, err := again.X()
	if err != nil {
		t.Fatal(err)
	}
	got, err := x.Rows(ctx, 0, min(50, file.NObs()))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Values) != len(want.Values) || again.NVars() != file.NVars() {
		t.Fatalf("the copy has %d values of %d genes, want %d of %d", len(got.Values), again.NVars(), len(want.Values), file.NVars())
	}
}
