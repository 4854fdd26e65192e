package hdf5

import (
	"context"
	"math"
)

// A Dataset is an array of elements of one type. Reads take ranges of its
// first axis, here called rows; a single value is one row.
type Dataset struct {
	obj     *Object
	typ     *Datatype
	space   dataspace
	layout  layout
	filters []Filter
	fill    []byte // one element, nil for zeros

	rows, rowLen int

	index once[*chunkTable]
	cache chunkCache
}

// Dataset returns the object as a dataset.
func (o *Object) Dataset() (*Dataset, error) {
	d, err := o.dataset()
	return d, o.locate(err)
}

func (o *Object) dataset() (*Dataset, error) {
	if o.Kind() != KindDataset {
		return nil, corrupt("is not a dataset")
	}
	f := o.file
	if o.hdr.has(msgExternal) {
		return nil, unsupported("data in another file")
	}
	d := &Dataset{obj: o}
	var parts [5][]byte
	for i, kind := range []int{msgDatatype, msgDataspace, msgFilters, msgFill, msgOldFill} {
		var err error
		if parts[i], err = f.find(o.hdr, kind); err != nil {
			return nil, err
		}
	}
	var err error
	if d.typ, err = f.parseDatatype(parts[0]); err != nil {
		return nil, err
	}
	if d.space, err = f.parseDataspace(parts[1]); err != nil {
		return nil, err
	}
	if parts[2] != nil {
		if d.filters, err = f.parseFilters(parts[2]); err != nil {
			return nil, err
		}
	}
	if d.fill, err = f.parseFill(parts[3], parts[4], d.typ.Size); err != nil {
		return nil, err
	}
	body, err := f.find(o.hdr, msgLayout)
	if err != nil {
		return nil, err
	}
	if d.layout, err = f.parseLayout(body, d.typ.Size); err != nil {
		return nil, err
	}
	return d, d.check()
}

// check compares shape, type and layout.
func (d *Dataset) check() error {
	count, err := d.space.count()
	if err != nil {
		return err
	}
	bytes, ok := product([]uint64{count, uint64(max(1, d.typ.Size))})
	if !ok {
		return corrupt("%d elements of %d bytes are too many", count, d.typ.Size)
	}
	d.rows, d.rowLen = 1, 1
	if d.space.null {
		d.rows = 0
	} else if dims := d.space.dims; len(dims) > 0 {
		if dims[0] > math.MaxInt64 {
			return corrupt("a shape of %v is too large", dims)
		}
		d.rows = int(dims[0])
		n, ok := product(dims[1:])
		if !ok {
			return corrupt("a shape of %v is too large", dims)
		}
		d.rowLen = int(n)
	}
	switch l := &d.layout; l.class {
	case storedCompact:
		if uint64(len(l.compact)) < bytes {
			return corrupt("%d bytes are stored, a shape of %v needs %d", len(l.compact), d.space.dims, bytes)
		}
	case storedContiguous:
		if l.addr != undefined && bytes > 0 && !d.obj.file.holds(l.addr, bytes) {
			return corrupt("%d bytes at address %d lie beyond the end of the file (%d bytes)", bytes, l.addr, d.obj.file.size)
		}
	case storedChunked:
		if len(l.chunk) != len(d.space.dims) {
			return corrupt("chunks of %d dimensions in a dataset of %d", len(l.chunk), len(d.space.dims))
		}
	}
	return nil
}

// parseFill reads the fill value of elements that were never written.
func (f *File) parseFill(fill, old []byte, elemSize int) ([]byte, error) {
	d := f.decoder(fill)
	var value []byte
	switch {
	case fill == nil && old == nil:
		return nil, nil
	case fill == nil:
		d = f.decoder(old)
		value = d.take(int(d.u32()))
	default:
		version := d.u8()
		switch version {
		case 1, 2:
			d.skip(2)
			if defined := d.u8(); version == 1 || defined != 0 {
				value = d.take(int(d.u32()))
			}
		case 3:
			if flags := d.u8(); flags&0x20 != 0 {
				value = d.take(int(d.u32()))
			}
		default:
			return nil, unsupported("fill value version %d", version)
		}
	}
	if d.err != nil {
		return nil, d.err
	}
	zero := true
	for _, b := range value {
		zero = zero && b == 0
	}
	if zero || len(value) != elemSize {
		return nil, nil
	}
	return value, nil
}

// Path returns the path by which the dataset was reached.
func (d *Dataset) Path() string { return d.obj.path }

// Type returns the type of the elements.
func (d *Dataset) Type() *Datatype { return d.typ }

// Shape returns the length of each dimension; empty for a single value.
func (d *Dataset) Shape() []int {
	shape := make([]int, len(d.space.dims))
	for i, n := range d.space.dims {
		shape[i] = int(min(n, math.MaxInt64))
	}
	return shape
}

// ChunkShape returns the shape of chunks, nil when the dataset has none.
func (d *Dataset) ChunkShape() []int { return d.layout.chunk }

// Filters returns the filters that chunks pass, in the order of writing.
func (d *Dataset) Filters() []Filter { return d.filters }

// Null reports whether the dataset is declared to hold no value at all.
func (d *Dataset) Null() bool { return d.space.null }

// Rows returns the length of the first axis, 1 for a single value.
func (d *Dataset) Rows() int { return d.rows }

// RowLen returns the number of elements in a row, 1 in one dimension.
func (d *Dataset) RowLen() int { return d.rowLen }

// Len returns the number of elements.
func (d *Dataset) Len() int { return d.rows * d.rowLen }

func (d *Dataset) locate(err error) error { return d.obj.locate(err) }

// table returns the chunk index, read once.
func (d *Dataset) table() (*chunkTable, error) {
	return d.index.get(func() (*chunkTable, error) {
		return d.obj.file.readChunkTable(&d.layout, d.space, len(d.filters) > 0)
	})
}

// NextStored returns the first row, from a given one on, of which anything was
// ever written or has a fill value that is not zero; Rows when there is none.
// The rows before it are zero and cost nothing to skip.
func (d *Dataset) NextStored(row int) (int, error) {
	if d.fill != nil || row >= d.rows {
		return row, nil
	}
	switch d.layout.class {
	case storedContiguous:
		if d.layout.addr == undefined {
			return d.rows, nil
		}
	case storedChunked:
		t, err := d.table()
		if err != nil {
			return 0, d.locate(err)
		}
		if t.implicit || d.rowLen == 0 {
			return row, nil
		}
		first, end := d.chunkNumbers(row, row+1)
		number, ok := t.next(first)
		if !ok {
			return d.rows, nil
		}
		return max(row, int(number/(end-first))*d.layout.chunk[0]), nil
	}
	return row, nil
}

// looseBytes may be declared without any data behind them.
const looseBytes = 16 << 20

// expansion is how many times larger a filter's output can be than what is
// stored.
var expansion = map[int]uint64{FilterDeflate: 1032, FilterLZF: 128, FilterZstd: 1 << 15}

// CheckStored reports rows whose declared size is out of proportion to what
// the file stores of them, so that callers can ask before they take memory for
// a range that a hostile file made up.
func (d *Dataset) CheckStored(from, to int) error {
	n, err := d.rowRange(from, to)
	if err != nil {
		return d.locate(err)
	}
	declared := uint64(n) * uint64(d.typ.Size)
	if declared <= looseBytes {
		return nil
	}
	var stored uint64
	switch d.layout.class {
	case storedChunked:
		t, err := d.table()
		if err != nil {
			return d.locate(err)
		}
		first, end := d.chunkNumbers(from, to)
		stored = t.bytes(first, end, d.layout.chunkBytes)
		for _, x := range d.filters {
			stored *= max(1, expansion[x.ID])
		}
	default:
		if d.layout.addr != undefined || d.layout.class == storedCompact {
			return nil // checked against the file
		}
	}
	if declared/2 > stored {
		return d.locate(corrupt("rows %d to %d are declared to have %d bytes, but next to nothing is stored", from, to, declared))
	}
	return nil
}

// chunkNumbers returns the numbers of the chunks that hold the rows.
func (d *Dataset) chunkNumbers(from, to int) (first, end uint64) {
	across := uint64(1)
	for i, c := range d.layout.chunk[1:] {
		across *= ceilDiv(d.space.dims[i+1], uint64(c))
	}
	height := d.layout.chunk[0]
	return uint64(from/height) * across, (uint64((to-1)/height) + 1) * across
}

// ReadBytes reads rows as stored in the file, RowLen elements each.
func (d *Dataset) ReadBytes(ctx context.Context, from, to int) ([]byte, error) {
	n, err := d.rowRange(from, to)
	if err != nil {
		return nil, d.locate(err)
	}
	if err := d.CheckStored(from, to); err != nil {
		return nil, err
	}
	size := d.typ.Size
	out := make([]byte, n*size)
	err = d.scan(ctx, from, to, func(at int, raw []byte) error {
		copy(out[at*size:], raw)
		return nil
	})
	if err != nil {
		return nil, d.locate(err)
	}
	return out, nil
}

// rowRange checks a range and returns its number of elements.
func (d *Dataset) rowRange(from, to int) (int, error) {
	if from < 0 || to < from || to > d.rows {
		return 0, corrupt("rows %d to %d asked for, there are %d", from, to, d.rows)
	}
	return (to - from) * d.rowLen, nil
}
