package torch

import (
	"errors"
	"maps"
	"math"
	"slices"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/internal/mmap"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
)

// File is an open state dict. Its methods may be called from several
// goroutines; Close must be the last call.
type File struct {
	file  *mmap.File
	names []string
	views map[string]*view
}

// Open maps the file at path and reads which tensors it holds. A missing file
// keeps fs.ErrNotExist, one that is no state dict is an [Error].
func Open(path string) (*File, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	f, err := Parse(m.Bytes())
	if err != nil {
		m.Close()
		invalid := &Error{}
		if errors.As(err, &invalid) {
			invalid.Path = path
		}
		return nil, err
	}
	f.file = m
	return f, nil
}

// Parse reads a file that is in memory. The tensors may alias data.
func Parse(data []byte) (*File, error) {
	a, err := openArchive(data)
	if err != nil {
		return nil, err
	}
	program, err := a.pickle()
	if err != nil {
		return nil, err
	}
	storages := map[string]*storage{}
	m := machine{
		code:       program,
		reduce:     reduce,
		persistent: func(id tuple) (any, error) { return a.open(storages, id) },
	}
	top, err := m.run()
	if err != nil {
		return nil, err
	}
	views, err := stateDict(top)
	if err != nil {
		return nil, err
	}
	return &File{names: slices.Sorted(maps.Keys(views)), views: views}, nil
}

// Names returns the tensors' names, sorted. The slice is the caller's.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Tensor returns the tensor of that name, and whether there is one. Its data
// is a slice of the file where the tensor is contiguous, which those of a state
// dict are, else a new copy with each call.
func (f *File) Tensor(name string) (safetensors.Tensor, bool) {
	v, ok := f.views[name]
	if !ok {
		return safetensors.Tensor{}, false
	}
	return safetensors.Tensor{Name: name, DType: v.dtype, Shape: slices.Clone(v.shape), Data: v.bytes()}, true
}

// Info returns a tensor's type and shape without touching its elements.
func (f *File) Info(name string) (safetensors.DType, []int, bool) {
	v, ok := f.views[name]
	if !ok {
		return "", nil, false
	}
	return v.dtype, slices.Clone(v.shape), true
}

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

// open resolves a persistent id: ("storage", class, key, location, elements).
// The location, cpu or cuda:0, says where the tensor lived when it was saved
// and does not matter.
func (a *archive) open(storages map[string]*storage, id tuple) (any, error) {
	if len(id) != 5 || id[0] != "storage" {
		return nil, invalidf("a persistent id that is no storage")
	}
	class, isClass := id[1].(global)
	key, isKey := id[2].(string)
	elements, isCount := id[4].(int64)
	if !isClass || !isKey || !isCount {
		return nil, invalidf("a storage whose class, key or size is of the wrong kind")
	}
	dtype, ok := storageTypes[string(class)]
	if !ok {
		return nil, invalidf("%q is no class of storages", string(class))
	}
	if s := storages[key]; s != nil {
		if s.dtype != dtype || int64(s.elements) != elements {
			return nil, invalidf("storage %q is %d of %s here, %d of %s there", clip(key), s.elements, s.dtype, elements, dtype)
		}
		return s, nil
	}
	size := int64(dtype.Size())
	if elements < 0 || elements > math.MaxInt/size {
		return nil, invalidf("storage %q has %d elements", clip(key), elements)
	}
	data, err := a.storage(key, elements*size)
	if err != nil {
		return nil, err
	}
	s := &storage{key: key, dtype: dtype, elements: int(elements), data: data}
	storages[key] = s
	return s, nil
}

// reduce calls the whitelist's callables.
func reduce(callee global, args tuple) (any, error) {
	switch callee {
	case "collections.OrderedDict":
		if len(args) != 0 {
			return nil, invalidf("an OrderedDict made of %d arguments, none would be right", len(args))
		}
		return &dict{}, nil
	case "torch._utils._rebuild_tensor_v2":
		return newView(args)
	case "torch._utils._rebuild_parameter":
		if len(args) > 0 {
			if v, ok := args[0].(*view); ok {
				return v, nil
			}
		}
		return nil, invalidf("a parameter without a tensor")
	}
	return nil, invalidf("a call of %q", string(callee))
}

// wrappers are the keys under which training scripts store the state dict
// beside the optimiser's state and the epoch.
var wrappers = []string{"model_state_dict", "state_dict", "model"}

func stateDict(top any) (map[string]*view, error) {
	d, ok := top.(*dict)
	if !ok {
		return nil, invalidf("the pickle holds no dict of tensors; save model.state_dict()")
	}
	views, err := d.tensors()
	if err != nil || len(views) > 0 {
		return views, err
	}
	for _, key := range wrappers {
		for i, k := range d.keys {
			inner, ok := d.values[i].(*dict)
			if !ok || k != key {
				continue
			}
			if views, err = inner.tensors(); err != nil || len(views) > 0 {
				return views, err
			}
		}
	}
	return nil, invalidf("the pickle holds a dict without tensors; save model.state_dict()")
}

// tensors returns the entries that are tensors; others, an epoch say, are left
// out.
func (d *dict) tensors() (map[string]*view, error) {
	views := map[string]*view{}
	for i, value := range d.values {
		v, ok := value.(*view)
		if !ok {
			continue
		}
		name, ok := d.keys[i].(string)
		if !ok {
			return nil, invalidf("a tensor whose name is no string")
		}
		if _, twice := views[name]; twice {
			return nil, invalidf("tensor %q is there twice", clip(name))
		}
		views[name] = v
	}
	return views, nil
}
