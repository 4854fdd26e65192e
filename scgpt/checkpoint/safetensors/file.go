package safetensors

import (
	"errors"
	"maps"
	"slices"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/internal/mmap"
)

// File is an open safetensors file. Its methods may be called from several
// goroutines; Close must be the last call.
type File struct {
	file     *mmap.File
	names    []string
	tensors  map[string]Tensor
	metadata map[string]string
}

// Open maps the file at path and checks its header. A missing file keeps
// fs.ErrNotExist, an invalid one is an [Error].
func Open(path string) (*File, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	f, err := Parse(m.Bytes())
	if err != nil {
		m.Close()
		var invalid *Error
		if errors.As(err, &invalid) {
			invalid.Path = path
		}
		return nil, err
	}
	f.file = m
	return f, nil
}

// Parse reads a file that is in memory. The tensors alias data.
func Parse(data []byte) (*File, error) {
	tensors, metadata, err := parse(data)
	if err != nil {
		return nil, err
	}
	return &File{names: slices.Sorted(maps.Keys(tensors)), tensors: tensors, metadata: metadata}, nil
}

// Names returns the tensors' names, sorted. The slice is the caller's.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Tensor returns the tensor of that name, and whether there is one.
func (f *File) Tensor(name string) (Tensor, bool) {
	t, ok := f.tensors[name]
	return t, ok
}

// Info returns a tensor's type and shape without touching its elements.
func (f *File) Info(name string) (DType, []int, bool) {
	t, ok := f.tensors[name]
	return t.DType, slices.Clone(t.Shape), ok
}

// Metadata returns a copy of the header's free-form strings.
func (f *File) Metadata() map[string]string { return maps.Clone(f.metadata) }

// Discard gives the memory back that holds the data of a tensor, or part of it:
// it is read from the file again when it is needed.
func (f *File) Discard(data []byte) {
	if f.file != nil {
		f.file.Discard(data)
	}
}

// Close unmaps the file: the data of its tensors, and what aliases it, must
// not be used any more. It may be called more than once.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}
