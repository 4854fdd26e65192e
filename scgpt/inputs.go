package scgpt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

// data resolves the path of cells and returns it with the SHA-256 of what is there:
// of the file, or of the names and sums of the files of a folder of 10x Genomics, all
// of which have to lie in the roots.
func (a *Agent) data(ctx context.Context, path string) (resolved, sum string, err error) {
	if resolved, err = a.roots.InputOrFolder(path); err != nil {
		return "", "", err
	}
	parts, err := anndata.Parts(resolved)
	if err != nil {
		return "", "", err
	}
	if len(parts) == 1 {
		sum, err = a.inputs.sum(ctx, resolved)
		return resolved, sum, err
	}
	h := sha256.New()
	for _, part := range parts {
		file, err := a.roots.Input(part)
		if err != nil {
			return "", "", err
		}
		if sum, err = a.inputs.sum(ctx, file); err != nil {
			return "", "", err
		}
		fmt.Fprintf(h, "%s  %s\n", sum, filepath.Base(part)) // as sha256sum would
	}
	return resolved, hex.EncodeToString(h.Sum(nil)), nil
}

// inputs remembers the SHA-256 of input files, so that each shard can make sure
// of its file without reading all of it again. An entry holds for a path, size
// and time of change. The zero value is ready; it is safe for concurrent use.
type inputs struct {
	mu   sync.Mutex
	sums map[inputID]string
}

type inputID struct {
	path     string
	size     int64
	modified time.Time
}

// maxInputs bounds what is remembered.
const maxInputs = 256

func (in *inputs) sum(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", readError(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	id := inputID{path, info.Size(), info.ModTime()}
	in.mu.Lock()
	sum, ok := in.sums[id]
	in.mu.Unlock()
	if ok {
		return sum, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, &contextReader{ctx, f}); err != nil {
		return "", err
	}
	sum = hex.EncodeToString(h.Sum(nil))
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.sums == nil || len(in.sums) >= maxInputs {
		in.sums = map[inputID]string{}
	}
	in.sums[id] = sum
	return sum, nil
}

// readError gives the error of a file that may not be read, which another attempt would
// not change, its class.
func readError(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return &storage.Error{Path: path, Problem: "the file cannot be read: permission denied"}
	}
	return err
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}
