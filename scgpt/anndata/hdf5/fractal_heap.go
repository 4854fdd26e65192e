package hdf5

import "math/bits"

// A fractalHeap stores objects of any size: links and attributes of large
// groups, shared messages. Small ones lie in direct blocks, which indirect
// blocks of doubling rows point to; huge ones lie apart and are found through
// a B-tree.
type fractalHeap struct {
	file       *File
	idSize     int
	width      int    // blocks per row
	startSize  uint64 // size of a block in the first row
	maxDirect  uint64 // largest direct block
	maxManaged uint64 // largest object in a direct block
	rows       int    // rows of the root, 0 when it is a direct block
	root       uint64
	hugeTree   uint64
	offsetSize int // bytes of an offset within the heap
	lengthSize int // bytes of an object's length
	heapBits   int
}

func (f *File) readFractalHeap(addr uint64) (*fractalHeap, error) {
	d, err := f.checked(addr, uint64(22+12*f.lenSize+3*f.addrSize+4), "FRHP")
	if err != nil {
		return nil, err
	}
	d.skip(1)
	h := &fractalHeap{file: f, idSize: d.u16()}
	filters := d.u16()
	d.skip(1)
	h.maxManaged = uint64(d.u32())
	d.length() // next huge id
	h.hugeTree = d.addr()
	d.length() // free space
	d.addr()
	d.skip(8 * f.lenSize) // statistics
	h.width = d.u16()
	h.startSize, h.maxDirect = d.length(), d.length()
	h.heapBits = d.u16()
	d.skip(2)
	h.root, h.rows = d.addr(), d.u16()
	if d.err != nil {
		return nil, d.err
	}
	if filters != 0 {
		return nil, unsupported("a fractal heap with filters")
	}
	pow2 := func(v uint64) bool { return v != 0 && v&(v-1) == 0 }
	if !pow2(h.startSize) || !pow2(h.maxDirect) || !pow2(uint64(h.width)) || h.maxDirect < h.startSize ||
		h.heapBits > 64 || h.maxDirect > 1<<32 || h.rows > 64 {
		return nil, corrupt("fractal heap at address %d: blocks of %d to %d bytes, %d in a row, %d rows, %d bits",
			addr, h.startSize, h.maxDirect, h.width, h.rows, h.heapBits)
	}
	h.offsetSize = (h.heapBits + 7) / 8
	h.lengthSize = min((bits.Len64(h.maxDirect)-1+7)/8, encodedSize(h.maxManaged))
	return h, nil
}

// object returns the object with a heap id.
func (h *fractalHeap) object(id []byte) ([]byte, error) {
	f := h.file
	d := f.decoder(id)
	flags := d.u8()
	if flags>>6 != 0 {
		return nil, unsupported("heap id version %d", flags>>6)
	}
	switch flags >> 4 & 3 {
	case 0:
		offset, size := d.uint(h.offsetSize), d.uint(h.lengthSize)
		if d.err != nil {
			return nil, d.err
		}
		if h.rows == 0 {
			return h.inBlock(h.root, h.startSize, offset, size)
		}
		return h.inIndirect(h.root, h.rows, offset, size, 0)
	case 1:
		return h.huge(d)
	case 2:
		// Ids too long for a length of four bits keep it in twelve.
		n := flags & 0x0f
		if h.idSize > 17 {
			n = n<<8 | d.u8()
		}
		b := d.take(n + 1)
		return b, d.err
	}
	return nil, corrupt("heap id of kind %d", flags>>4&3)
}

// huge finds an object that lies outside of the blocks: where the id says,
// when address and length fit in it, else through the B-tree.
func (h *fractalHeap) huge(id *decoder) ([]byte, error) {
	f := h.file
	if h.idSize-1 >= f.addrSize+f.lenSize {
		addr, size := id.addr(), id.length()
		if id.err != nil {
			return nil, id.err
		}
		return f.read(addr, size)
	}
	key := id.uint(min(f.lenSize, h.idSize-1))
	if id.err != nil {
		return nil, id.err
	}
	addr, size := undefined, uint64(0)
	err := f.walkBTree2(h.hugeTree, func(r *decoder) error {
		a, n := r.addr(), r.length()
		if r.length() == key {
			addr, size = a, n
		}
		return r.err
	}, recordHuge)
	if err != nil {
		return nil, err
	}
	return f.read(addr, size)
}

// inBlock reads from a direct block, whose offsets count its own header.
func (h *fractalHeap) inBlock(addr, blockSize, offset, size uint64) ([]byte, error) {
	if addr == undefined || offset > blockSize || size > blockSize-offset || addr+offset < addr {
		return nil, corrupt("heap object of %d bytes at offset %d of a block of %d", size, offset, blockSize)
	}
	return h.file.read(addr+offset, size)
}

// blockSize is the size of the blocks of a row: equal in the first two rows,
// then doubling.
func (h *fractalHeap) blockSize(row int) uint64 { return h.startSize << max(0, row-1) }

func (h *fractalHeap) inIndirect(addr uint64, rows int, offset, size uint64, depth int) ([]byte, error) {
	f := h.file
	directRows := bits.Len64(h.maxDirect) - bits.Len64(h.startSize) + 2
	if depth > 16 || rows < 1 || rows > 64 || bits.Len64(h.startSize)+rows > 64 {
		return nil, corrupt("fractal heap: indirect block of %d rows at depth %d", rows, depth)
	}
	prefix := 5 + f.addrSize + h.offsetSize
	d, err := f.structure(addr, uint64(prefix+rows*h.width*f.addrSize), "FHIB")
	if err != nil {
		return nil, err
	}
	d.pos = prefix
	var start uint64
	for row := range rows {
		block := h.blockSize(row)
		if span := block * uint64(h.width); offset-start >= span {
			start += span
			d.skip(h.width * f.addrSize)
			continue
		}
		column := (offset - start) / block
		d.skip(int(column) * f.addrSize)
		child := d.addr()
		if d.err != nil {
			return nil, d.err
		}
		within := offset - start - column*block
		if row < directRows {
			return h.inBlock(child, block, within, size)
		}
		// An indirect child has the rows that make up its size.
		childRows := bits.Len64(block) - bits.Len64(h.startSize*uint64(h.width)) + 1
		return h.inIndirect(child, childRows, within, size, depth+1)
	}
	return nil, corrupt("heap object at offset %d, beyond the heap", offset)
}
