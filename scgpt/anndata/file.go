package anndata

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/seed-ab6af24b/troupe/internal/quote"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// A File is an open .h5ad file, or a matrix of 10x Genomics read as one. It is
// safe for concurrent use.
type File struct {
	path string
	h5   *hdf5.File // nil for a folder
	root *hdf5.Object
	top  map[string]hdf5.Link // of an .h5ad file

	obs, vars *Frame
	layers    map[string]hdf5.Link
	uns       []string

	// x is the matrix of a file of 10x Genomics; nil for an .h5ad file.
	x     *Matrix
	parts []string // paths of the files in a folder

	genome      string
	allFeatures bool
	tempDir     string
	band        int // see defaultBand
	mu          sync.Mutex
	spills      []*spill
	closed      bool
}

// An Option changes how a file is opened.
type Option func(*File)

// WithTempDir sets the directory of temporary files, which reading CSC
// matrices and matrix.mtx by rows needs: 12 bytes for each value that is not
// zero. Default: os.TempDir().
func WithTempDir(dir string) Option { return func(f *File) { f.tempDir = dir } }

// WithGenome chooses the genes of one genome of an .h5 file of 10x Genomics.
// Before Cell Ranger 3 such a file has a matrix for each genome; with several, it
// cannot be opened without this option. Other files say nothing of genomes, and
// the option changes nothing.
func WithGenome(name string) Option { return func(f *File) { f.genome = name } }

// WithAllFeatures gives all features of a matrix of 10x Genomics as genes. By
// default antibodies, CRISPR guides and other features that are not of the type
// "Gene Expression" are left out, since many have the name of a gene.
func WithAllFeatures() Option { return func(f *File) { f.allFeatures = true } }

// Open opens an .h5ad file, an .h5 file of 10x Genomics, or a folder with their
// matrix.mtx; what is at path, and not its name, tells which. A missing file
// matches fs.ErrNotExist; one that is not sound gives a [DataError] or an
// [hdf5.FormatError].
func Open(path string, opts ...Option) (*File, error) {
	if isFolder(path) {
		return openFolder(path, opts)
	}
	h5, err := hdf5.Open(path)
	if err != nil {
		return nil, explain(path, err)
	}
	f, err := open(path, h5, opts...)
	if err != nil {
		return nil, errors.Join(err, h5.Close())
	}
	return f, nil
}

func newFile(path string, opts []Option) *File {
	f := &File{path: path, band: defaultBand}
	for _, o := range opts {
		o(f)
	}
	return f
}

func open(path string, h5 *hdf5.File, opts ...Option) (*File, error) {
	f := newFile(path, opts)
	f.h5 = h5
	var err error
	if f.root, err = h5.Root(); err != nil {
		return nil, err
	}
	if f.top, err = entries(f.root); err != nil {
		return nil, err
	}
	tenX, err := f.openTenX()
	if err != nil {
		return nil, err
	}
	if tenX {
		f.top = nil
		return f, nil
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
		return nil, f.errorf("no %q: not an .h5ad file, nor an .h5 file of 10x Genomics", name)
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
func (f *File) HasX() bool { _, ok := f.top["X"]; return ok || f.x != nil }

// X returns the main matrix, or ErrNoX.
func (f *File) X() (*Matrix, error) {
	if f.x != nil {
		return f.x, nil
	}
	l, ok := f.top["X"]
	if !ok {
		return nil, f.missing(ErrNoX, "X is missing%s", f.RawHint())
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
		return nil, f.missing(ErrNotFound, "there is no layer %q; there are %s", name, quote.List(f.Layers()))
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

// RawHint goes on with an error about X: "; raw has 765 genes: copy it to X first
// (adata.raw.to_adata())", or "" where there is no raw that can be read.
func (f *File) RawHint() string {
	raw, err := f.Raw()
	if err != nil {
		return ""
	}
	return fmt.Sprintf("; raw has %d genes: copy it to X first (adata.raw.to_adata())", raw.NVars())
}

// Uns returns the names of the unstructured values, sorted.
func (f *File) Uns() []string { return append([]string{}, f.uns...) }

// Close closes the file and removes its temporary files. Reads in progress
// fail.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, s := range f.spills {
		errs = append(errs, s.Close())
	}
	f.spills, f.closed = nil, true
	if f.h5 != nil {
		errs = append(errs, f.h5.Close())
	}
	return errors.Join(errs...)
}
