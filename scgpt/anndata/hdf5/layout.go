package hdf5

import "math"

// maxChunk bounds one chunk, which is decoded as a whole.
const maxChunk = 2 << 30

// Storage classes of datasets.
const (
	storedCompact    = 0
	storedContiguous = 1
	storedChunked    = 2
	storedVirtual    = 3
)

// Chunk indexes of layout versions 4 and 5; version 3 has B-trees only.
const (
	indexBTree1     = 0
	indexSingle     = 1
	indexImplicit   = 2
	indexFixed      = 3
	indexExtensible = 4
	indexBTree2     = 5
)

// A layout says where the data of a dataset lie.
type layout struct {
	version int
	class   int
	compact []byte
	addr    uint64 // contiguous data, or the chunk index
	size    uint64 // contiguous data

	chunk       []int // chunk shape
	chunkBytes  int
	index       int
	wholeEdges  bool // chunks that stick out of the dataset are not filtered
	singleSize  uint64
	singleMask  uint32
	singleKnown bool
}

// parseLayout reads a data layout message for elements of elemSize bytes.
func (f *File) parseLayout(b []byte, elemSize int) (layout, error) {
	d := f.decoder(b)
	l := layout{version: d.u8(), addr: undefined}
	if d.err == nil && (l.version < 3 || l.version > 5) {
		return l, unsupported("data layout version %d", l.version)
	}
	l.class = d.u8()
	switch l.class {
	case storedCompact:
		l.compact = d.take(d.u16())
	case storedContiguous:
		l.addr, l.size = d.addr(), d.length()
	case storedChunked:
		f.parseChunked(d, &l, elemSize)
	case storedVirtual:
		return l, unsupported("a virtual dataset")
	default:
		return l, unsupported("data layout class %d", l.class)
	}
	return l, d.err
}

func (f *File) parseChunked(d *decoder, l *layout, elemSize int) {
	width := 4
	var rank int
	if l.version == 3 {
		rank = d.u8()
		l.addr = d.addr()
	} else {
		flags := d.u8()
		l.wholeEdges = flags&1 != 0
		l.singleKnown = flags&2 != 0
		rank, width = d.u8(), d.u8()
	}
	if d.err == nil && (rank < 2 || rank > 33) {
		d.fail("chunks of %d dimensions", rank-1)
	}
	dims := make([]uint64, 0, rank)
	for range rank {
		dims = append(dims, d.uint(width))
	}
	if d.err != nil {
		return
	}
	n, ok := product(dims)
	if !ok || n == 0 || n > math.MaxUint32 {
		d.fail("chunks of shape %v", dims)
		return
	}
	if n > maxChunk {
		d.fail("chunks of %d bytes; at most %d are read", n, maxChunk)
		return
	}
	if dims[rank-1] != uint64(elemSize) {
		d.fail("chunks of elements of %d bytes in a dataset of elements of %d", dims[rank-1], elemSize)
		return
	}
	l.chunkBytes = int(n)
	for _, c := range dims[:rank-1] {
		l.chunk = append(l.chunk, int(c))
	}
	if l.version == 3 {
		return
	}
	l.index = d.u8()
	switch l.index {
	case indexSingle:
		if l.singleKnown {
			l.singleSize, l.singleMask = d.length(), d.u32()
		}
	case indexImplicit:
	case indexFixed:
		d.skip(1)
	case indexExtensible:
		d.skip(5)
	case indexBTree2:
		d.skip(6)
	default:
		d.fail("chunk index %d", l.index)
	}
	l.addr = d.addr()
}
