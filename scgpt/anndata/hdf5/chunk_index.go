package hdf5

import (
	"cmp"
	"math/bits"
	"slices"
)

// A chunkRef says where a chunk lies in the file.
type chunkRef struct {
	number uint64 // of the chunk, counted in row-major order over the dataset
	addr   uint64
	size   uint64
	mask   uint32 // filters that this chunk did not pass
}

// A chunkTable finds chunks by number. Chunks that were never written are
// missing from it.
type chunkTable struct {
	refs []chunkRef // by number

	// An implicit index has all chunks, one after another.
	implicit bool
	addr     uint64
}

func (t *chunkTable) find(number uint64, chunkBytes int) (chunkRef, bool) {
	if t.implicit {
		return chunkRef{number: number, addr: t.addr + number*uint64(chunkBytes), size: uint64(chunkBytes)}, true
	}
	// Without holes, the number is the position.
	if number < uint64(len(t.refs)) && t.refs[number].number == number {
		return t.refs[number], true
	}
	i, ok := slices.BinarySearchFunc(t.refs, number, func(r chunkRef, n uint64) int { return cmp.Compare(r.number, n) })
	if !ok {
		return chunkRef{}, false
	}
	return t.refs[i], true
}

// A chunkReader collects the chunks of one dataset from its index.
type chunkReader struct {
	file     *File
	layout   *layout
	filtered bool
	grid     []uint64 // chunks along each dimension
	dims     []uint64
	max      []uint64
	sizeSize int // bytes of a chunk's size in an index record
	refs     []chunkRef
}

// readChunkTable reads the whole index of a chunked dataset.
func (f *File) readChunkTable(l *layout, s dataspace, filtered bool) (*chunkTable, error) {
	r := &chunkReader{file: f, layout: l, filtered: filtered, dims: s.dims, max: s.max}
	if r.max == nil {
		r.max = s.dims
	}
	for i, c := range l.chunk {
		r.grid = append(r.grid, ceilDiv(s.dims[i], uint64(c)))
	}
	if _, ok := product(r.grid); !ok {
		return nil, corrupt("chunks of %v in a shape of %v are too many", l.chunk, s.dims)
	}
	// "Data Layout Message", version 4: the size of a filtered chunk takes
	// one byte more than the size of a whole chunk needs.
	r.sizeSize = min(8, 1+(bits.Len(uint(l.chunkBytes))-1+8)/8)
	if l.version >= 5 {
		r.sizeSize = f.lenSize
	}
	if l.addr == undefined {
		return &chunkTable{}, nil
	}
	var err error
	switch l.index {
	case indexBTree1:
		err = r.btree1()
	case indexSingle:
		size, mask := uint64(l.chunkBytes), uint32(0)
		if l.singleKnown {
			size, mask = l.singleSize, l.singleMask
		}
		err = r.add(make([]uint64, len(r.grid)), l.addr, size, mask)
	case indexImplicit:
		return r.implicit()
	case indexFixed:
		err = r.fixedArray()
	case indexExtensible:
		err = r.extensibleArray()
	case indexBTree2:
		err = r.btree2()
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(r.refs, func(a, b chunkRef) int { return cmp.Compare(a.number, b.number) })
	for i := 1; i < len(r.refs); i++ {
		if r.refs[i].number == r.refs[i-1].number {
			return nil, corrupt("chunk %d is indexed twice", r.refs[i].number)
		}
	}
	return &chunkTable{refs: r.refs}, nil
}

// add records a chunk by its place in the grid. Chunks outside of the dataset
// are left over from before it was shrunk.
func (r *chunkReader) add(place []uint64, addr, size uint64, mask uint32) error {
	if addr == undefined {
		return nil
	}
	var number uint64
	for i, p := range place {
		if p >= r.grid[i] {
			return nil
		}
		number = number*r.grid[i] + p
	}
	if !r.file.holds(addr, size) {
		return corrupt("chunk %d, %d bytes at address %d, lies beyond the end of the file (%d bytes)", number, size, addr, r.file.size)
	}
	if !r.filtered && size != uint64(r.layout.chunkBytes) {
		return corrupt("chunk %d has %d bytes, want %d", number, size, r.layout.chunkBytes)
	}
	r.refs = append(r.refs, chunkRef{number, addr, size, mask})
	return nil
}

// element reads one element of a fixed or extensible array.
func (r *chunkReader) element(d *decoder, place []uint64) error {
	addr := d.addr()
	size, mask := uint64(r.layout.chunkBytes), uint32(0)
	if r.filtered {
		size, mask = d.uint(r.sizeSize), d.u32()
	}
	if d.err != nil {
		return d.err
	}
	return r.add(place, addr, size, mask)
}

// elementSize is what element reads.
func (r *chunkReader) elementSize() int {
	if r.filtered {
		return r.file.addrSize + r.sizeSize + 4
	}
	return r.file.addrSize
}

func (r *chunkReader) btree1() error {
	rank := len(r.grid)
	place := make([]uint64, rank)
	return r.file.walkBTree1(r.layout.addr, btreeChunk, 8+8*(rank+1), func(key []byte, child uint64) error {
		d := r.file.decoder(key)
		size, mask := uint64(d.u32()), d.u32()
		for i, c := range r.layout.chunk {
			offset := d.u64()
			if offset%uint64(c) != 0 {
				return corrupt("a chunk begins at %d along dimension %d, where chunks have %d", offset, i, c)
			}
			place[i] = offset / uint64(c)
		}
		if d.err != nil {
			return d.err
		}
		return r.add(place, child, size, mask)
	})
}

func (r *chunkReader) btree2() error {
	rank := len(r.grid)
	place := make([]uint64, rank)
	want := recordChunk
	if r.filtered {
		want = recordFilteredChunk
	}
	return r.file.walkBTree2(r.layout.addr, func(d *decoder) error {
		addr := d.addr()
		size, mask := uint64(r.layout.chunkBytes), uint32(0)
		if r.filtered {
			size, mask = d.uint(r.sizeSize), d.u32()
		}
		for i := range place {
			place[i] = d.u64()
		}
		if d.err != nil {
			return d.err
		}
		return r.add(place, addr, size, mask)
	}, want)
}

func (r *chunkReader) implicit() (*chunkTable, error) {
	n, ok := product(r.grid)
	bytes, fits := product([]uint64{n, uint64(r.layout.chunkBytes)})
	if r.filtered || !ok || !fits || !r.file.holds(r.layout.addr, bytes) {
		return nil, corrupt("%d chunks of %d bytes at address %d lie beyond the end of the file (%d bytes)",
			n, r.layout.chunkBytes, r.layout.addr, r.file.size)
	}
	// Numbers count over the grid of the largest shape, which must then
	// differ along the first dimension only.
	for i := 1; i < len(r.grid); i++ {
		if ceilDiv(r.max[i], uint64(r.layout.chunk[i])) != r.grid[i] {
			return nil, unsupported("an implicit chunk index of a dataset that can grow across rows")
		}
	}
	return &chunkTable{implicit: true, addr: r.layout.addr}, nil
}

// numbering turns the numbers of array elements into places in the grid.
// Arrays count over the largest shape; with an unlimited dimension, that one
// comes first.
type numbering struct {
	order []int
	count []uint64 // chunks along the dimensions, in that order
	place []uint64
}

func (r *chunkReader) numbering() (*numbering, error) {
	n := &numbering{place: make([]uint64, len(r.grid))}
	for i := range r.grid {
		n.order = append(n.order, i)
	}
	for i, m := range r.max {
		if m == undefined {
			if n.order[0] != i && r.max[n.order[0]] == undefined {
				return nil, corrupt("a chunk array over two unlimited dimensions")
			}
			n.order = slices.Insert(slices.Delete(n.order, i, i+1), 0, i)
		}
	}
	for _, i := range n.order {
		c := ceilDiv(r.max[i], uint64(r.layout.chunk[i]))
		if c == 0 {
			return nil, corrupt("a chunk array over a dimension of no length")
		}
		n.count = append(n.count, c)
	}
	return n, nil
}

// at returns the place of an element; the slice is used again.
func (n *numbering) at(number uint64) []uint64 {
	for i := len(n.order) - 1; i > 0; i-- {
		n.place[n.order[i]] = number % n.count[i]
		number /= n.count[i]
	}
	n.place[n.order[0]] = number
	return n.place
}

func ceilDiv(a, b uint64) uint64 {
	if a == 0 {
		return 0
	}
	return (a-1)/b + 1
}

// next returns the first chunk from a number on that is stored.
func (t *chunkTable) next(from uint64) (number uint64, ok bool) {
	i, _ := slices.BinarySearchFunc(t.refs, from, func(r chunkRef, n uint64) int { return cmp.Compare(r.number, n) })
	if i == len(t.refs) {
		return 0, false
	}
	return t.refs[i].number, true
}

// bytes returns how many bytes the chunks of a range of numbers take.
func (t *chunkTable) bytes(from, to uint64, chunkBytes int) uint64 {
	if t.implicit {
		return (to - from) * uint64(chunkBytes)
	}
	var n uint64
	i, _ := slices.BinarySearchFunc(t.refs, from, func(r chunkRef, n uint64) int { return cmp.Compare(r.number, n) })
	for ; i < len(t.refs) && t.refs[i].number < to; i++ {
		n += t.refs[i].size
	}
	return n
}
