package anndata

import (
	"errors"
	"math"
	"slices"
	"sync"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// A File is an open .h5ad file. It is safe for concurrent use.
type File struct {
	path string
	h5   *hdf5.File
	root *hdf5.Object
	top  map[string]hdf5.Link

	obs, vars *Frame
	layers    map[string]hdf5.Link
	uns       []string

	tempDir string
	band    int // see defaultBand
	mu      sync.Mutex
	spills  []*spill
}

// An Option changes how a file is opened.
type Option func(*File)

// WithTempDir sets the directory of temporary files, which reading CSC
// matrices by rows needs: 12 bytes for each value that is not zero. Default:
// os.TempDir().
func WithTempDir(dir string) Option { return func(f *File) { f.tempDir = dir } }

// Open opens the .h5ad file at path. A missing file matches fs.ErrNotExist;
// one that is not a sound .h5ad file gives a [DataError] or an
// [hdf5.FormatError].
func Open(path string, opts ...Option) (*File, error) {
	h5, err := hdf5.Open(path)
	if err != nil {
		return nil, err
	}
	f, err := open(path, h5, opts...)
	if err != nil {
		return nil, errors.Join(err, h5.Close())
	}
	return f, nil
}

func open(path string, h5 *hdf5.File, opts ...Option) (*File, error) {
	f := &File{path: path, h5: h5, band: defaultBand}
	for _, o := range opts {
		o(f)
	}
	var err error
	if f.root, err = h5.Root(); err != nil {
		return nil, err
	}
	if f.top, err = entries(f.root); err != nil {
		return nil, err
	}
	if f.obs, err = f.axis("obs"); err != nil {
		return nil, err
	}
	if f.vars, err = f.axis("var"); err != nil {
		return nil, err
	}
	if f.layers, err = f.group("layers"); err != nil {
		return nil, err
	}
	uns, err := f.group("uns")
	if err != nil {
		return nil, err
	}
	f.uns = sortedKeys(uns)
	return f, nil
}

// axis opens obs or var.
func (f *File) axis(name string) (*Frame, error) {
	l, ok := f.top[name]
	if !ok {
		return nil, f.errorf("no %q: not an .h5ad file", name)
	}
	o, err := f.root.Open(l)
	if err != nil {
		return nil, err
	}
	fr, err := f.openFrame(o)
	if err != nil {
		return nil, err
	}
	if n := fr.Len(); n > math.MaxInt32 {
		return nil, f.errorf("%s has %d rows; at most %d are possible", name, n, math.MaxInt32)
	}
	return fr, nil
}

// entries returns the links of a group by name.
func entries(o *hdf5.Object) (map[string]hdf5.Link, error) {
	ls, err := o.Links()
	if err != nil {
		return nil, err
	}
	m := make(map[string]hdf5.Link, len(ls))
	for _, l := range ls {
		m[l.Name] = l
	}
	return m, nil
}

// group returns the entries of a group of the file, none when it is absent.
func (f *File) group(name string) (map[string]hdf5.Link, error) {
	l, ok := f.top[name]
	if !ok {
		return nil, nil
	}
	o, err := f.root.Open(l)
	if err != nil {
		return nil, err
	}
	return entries(o)
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Path returns the path given to Open.
func (f *File) Path() string { return f.path }

// NObs returns the number of cells.
func (f *File) NObs() int { return f.obs.Len() }

// NVars returns the number of genes.
func (f *File) NVars() int { return f.vars.Len() }

// Obs returns the annotation of the cells.
func (f *File) Obs() *Frame { return f.obs }

// Var returns the annotation of the genes.
func (f *File) Var() *Frame { return f.vars }

// HasX reports whether the file has X.
func (f *File) HasX() bool { _, ok := f.top["X"]; return ok }

// X returns the main matrix, or ErrNoX.
func (f *File) X() (*Matrix, error) {
	l, ok := f.top["X"]
	if !ok {
		return nil, f.missing(ErrNoX, "X is missing")
	}
	o, err := f.root.Open(l)
	if err != nil {
		return nil, err
	}
	return f.openMatrix(o, f.NObs(), f.NVars())
}

// Layers returns the names of the layers, sorted.
func (f *File) Layers() []string { return sortedKeys(f.layers) }

// Layer returns a layer: a matrix of the shape of X. An unknown name gives
// ErrNotFound.
func (f *File) Layer(name string) (*Matrix, error) {
	l, ok := f.layers[name]
	if !ok {
		return nil, f.missing(ErrNotFound, "there is no layer %q; there are %q", name, f.Layers())
	}
	layers, err := f.root.Open(f.top["layers"])
	if err != nil {
		return nil, err
	}
	o, err := layers.Open(l)
	if err != nil {
		return nil, err
	}
	return f.openMatrix(o, f.NObs(), f.NVars())
}

// Raw is the matrix as it was before genes were chosen, with genes of its own.
type Raw struct {
	x    *Matrix
	vars *Frame
}

// X returns the matrix.
func (r *Raw) X() *Matrix { return r.x }

// Var returns the annotation of the genes.
func (r *Raw) Var() *Frame { return r.vars }

// NVars returns the number of genes.
func (r *Raw) NVars() int { return r.vars.Len() }

// HasRaw reports whether the file has a raw matrix.
func (f *File) HasRaw() bool {
	_, group := f.top["raw"]
	_, flat := f.top["raw.X"]
	return group || flat
}

// Raw returns the raw matrix, or ErrNotFound.
func (f *File) Raw() (*Raw, error) {
	// anndata 0.6 kept the parts side by side.
	x, xOK := f.top["raw.X"]
	v, vOK := f.top["raw.var"]
	from := f.root
	if l, ok := f.top["raw"]; ok {
		var err error
		if from, err = f.root.Open(l); err != nil {
			return nil, err
		}
		parts, err := entries(from)
		if err != nil {
			return nil, err
		}
		x, xOK = parts["X"]
		v, vOK = parts["var"]
	}
	if !xOK || !vOK {
		return nil, f.missing(ErrNotFound, "raw is missing")
	}
	o, err := from.Open(v)
	if err != nil {
		return nil, err
	}
	r := &Raw{}
	if r.vars, err = f.openFrame(o); err != nil {
		return nil, err
	}
	if o, err = from.Open(x); err != nil {
		return nil, err
	}
	r.x, err = f.openMatrix(o, f.NObs(), r.vars.Len())
	return r, err
}

// Uns returns the names of the unstructured values, sorted.
func (f *File) Uns() []string { return slices.Clone(f.uns) }

// Close closes the file and removes its temporary files. Reads in progress
// fail.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, s := range f.spills {
		errs = append(errs, s.Close())
	}
	f.spills = nil
	return errors.Join(append(errs, f.h5.Close())...)
}
