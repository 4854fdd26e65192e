package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/torch"
)

// candidates are the names of weight files, the preferred first.
var candidates = []string{"model.safetensors", "best_model.pt", "model.pt"}

// source is a file of tensors.
type source interface {
	Names() []string
	Info(name string) (safetensors.DType, []int, bool)
	Tensor(name string) (safetensors.Tensor, bool)
	Discard(data []byte)
	Close() error
}

// weights are the tensors of a file by their published names.
type weights struct {
	path    string
	source  source
	closed  atomic.Bool
	tensors map[string]Tensor
}

// openWeights opens file, or the first candidate that dir holds.
func openWeights(dir, file string) (*weights, error) {
	path := file
	if path == "" {
		for _, name := range candidates {
			p := filepath.Join(dir, name)
			_, err := os.Stat(p)
			if err == nil {
				path = p
				break
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
		if path == "" {
			return nil, fmt.Errorf("%s: no weights: none of %s is there: %w", dir, strings.Join(candidates, ", "), fs.ErrNotExist)
		}
	}
	var src source
	var err error
	if strings.EqualFold(filepath.Ext(path), ".safetensors") {
		src, err = opened(safetensors.Open(path))
	} else {
		src, err = opened(torch.Open(path))
	}
	if err != nil {
		return nil, adopt(err)
	}
	w := &weights{path: path, source: src, tensors: map[string]Tensor{}}
	if err := w.index(); err != nil {
		src.Close()
		return nil, err
	}
	return w, nil
}

// opened keeps a nil pointer from becoming a source that is not nil.
func opened[T source](s T, err error) (source, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// index gives the tensors their published names.
func (w *weights) index() error {
	for _, stored := range w.source.Names() {
		dtype, shape, _ := w.source.Info(stored)
		name := canonical(stored)
		if other, twice := w.tensors[name]; twice {
			return invalidf(w.path, "%q and %q are the same tensor by two names", other.stored, stored)
		}
		w.tensors[name] = Tensor{Name: name, Shape: shape, DType: dtype, weights: w, stored: stored}
	}
	return nil
}

func (w *weights) names() []string { return slices.Sorted(maps.Keys(w.tensors)) }

func (w *weights) close() error {
	w.closed.Store(true)
	return w.source.Close()
}
