package hdf5

import "math/bits"

// fixedArray reads the chunk index of datasets that cannot grow ("Fixed Array
// Index"): one array of elements, in pages when it is long.
func (r *chunkReader) fixedArray() error {
	f := r.file
	d, err := f.checked(r.layout.addr, uint64(8+f.lenSize+f.addrSize+4), "FAHD")
	if err != nil {
		return err
	}
	d.skip(2)
	size, pageBits, count, block := d.u8(), d.u8(), d.length(), d.addr()
	if d.err != nil {
		return d.err
	}
	if block == undefined {
		return nil
	}
	if size != r.elementSize() || pageBits > 32 || count > f.size/uint64(size) {
		return corrupt("chunk array of %d elements of %d bytes, in pages of 2^%d", count, size, pageBits)
	}
	num, err := r.numbering()
	if err != nil {
		return err
	}
	prefix := uint64(6 + f.addrSize)
	page := uint64(1) << pageBits
	if count <= page {
		d, err := f.checked(block, prefix+count*uint64(size)+4, "FADB")
		if err != nil {
			return err
		}
		d.skip(int(prefix) - 4)
		return r.elements(d, num, 0, count)
	}
	pages := ceilDiv(count, page)
	bitmap := (pages + 7) / 8
	d, err = f.checked(block, prefix+bitmap+4, "FADB")
	if err != nil {
		return err
	}
	d.skip(int(prefix) - 4)
	return r.pages(block+prefix+bitmap+4, d.take(int(bitmap)), 0, page, num, 0, count, count)
}

// elements reads n elements that begin at number first.
func (r *chunkReader) elements(d *decoder, num *numbering, first, n uint64) error {
	for i := range n {
		if err := r.element(d, num.at(first+i)); err != nil {
			return err
		}
	}
	return nil
}

// pages reads the first used of n elements in pages of the given length, each
// with a checksum. The bitmap says, counted from bit, which pages were ever
// written.
func (r *chunkReader) pages(addr uint64, bitmap []byte, bit, page uint64, num *numbering, first, n, used uint64) error {
	size := uint64(r.elementSize())
	for ; used > 0; bit++ {
		if bit/8 >= uint64(len(bitmap)) {
			return corrupt("the pages of the chunk array at address %d have no bitmap", addr)
		}
		stored := min(page, n)
		if bitmap[bit/8]&(0x80>>(bit%8)) != 0 {
			d, err := r.file.checked(addr, stored*size+4, "")
			if err != nil {
				return err
			}
			if err := r.elements(d, num, first, min(stored, used)); err != nil {
				return err
			}
		}
		addr += stored*size + 4
		first += stored
		n -= stored
		used -= min(stored, used)
	}
	return nil
}

// An extensible is the array of chunks of a dataset that grows along one
// dimension ("Extensible Array Index"). Its first elements stand in the index
// block, the next ones in data blocks that the index block points to, the rest
// in data blocks that super blocks point to. Blocks grow with the array.
type extensible struct {
	*chunkReader
	num        *numbering
	walk       *walk
	count      uint64 // elements in use
	next       uint64 // number of the next element
	offsetSize int
	page       uint64 // elements per page
}

func (r *chunkReader) extensibleArray() error {
	f := r.file
	d, err := f.checked(r.layout.addr, uint64(12+6*f.lenSize+f.addrSize+4), "EAHD")
	if err != nil {
		return err
	}
	d.skip(2)
	size, maxBits := d.u8(), d.u8()
	inIndex, minBlock, minPointers, pageBits := uint64(d.u8()), uint64(d.u8()), uint64(d.u8()), d.u8()
	d.skip(4 * f.lenSize)
	maxIndex := d.length()
	d.length()
	index := d.addr()
	if d.err != nil {
		return d.err
	}
	if index == undefined {
		return nil
	}
	pow2 := func(v uint64) bool { return v != 0 && v&(v-1) == 0 }
	if size != r.elementSize() || maxBits > 64 || pageBits > 32 || !pow2(minBlock) || !pow2(minPointers) || maxIndex > f.size {
		return corrupt("chunk array with elements of %d bytes, %d bits, blocks of %d, %d pointers, pages of 2^%d, %d elements",
			size, maxBits, minBlock, minPointers, pageBits, maxIndex)
	}
	num, err := r.numbering()
	if err != nil {
		return err
	}
	e := &extensible{chunkReader: r, num: num, walk: f.walk(), count: maxIndex,
		offsetSize: (maxBits + 7) / 8, page: 1 << pageBits}

	superBlocks := max(0, 1+maxBits-(bits.Len64(minBlock)-1))
	direct := 2 * (bits.Len64(minPointers) - 1) // super blocks whose data blocks the index block points to
	pointers := 2 * (int(minPointers) - 1)
	bytes := uint64(6+f.addrSize) + inIndex*uint64(size) + uint64((pointers+max(0, superBlocks-direct))*f.addrSize) + 4
	if d, err = f.checked(index, bytes, "EAIB"); err != nil {
		return err
	}
	if err := e.walk.visit(index, bytes, "index block"); err != nil {
		return err
	}
	d.skip(2 + f.addrSize)
	elements := f.decoder(d.take(int(inIndex) * size))
	if d.err != nil {
		return d.err
	}
	e.next = min(inIndex, e.count)
	if err := r.elements(elements, num, 0, e.next); err != nil {
		return err
	}

	// Super block u has 2^(u/2) data blocks of 2^((u+1)/2) times the least size.
	for u := 0; u < superBlocks && e.next < e.count; u++ {
		blocks, n := 1<<(u/2), minBlock<<((u+1)/2)
		if u >= direct {
			if err := e.superBlock(d.addr(), blocks, n); err != nil {
				return err
			}
			continue
		}
		for range blocks {
			if err := e.dataBlock(d.addr(), n, nil, 0); err != nil {
				return err
			}
		}
		if d.err != nil {
			return d.err
		}
	}
	return nil
}

// dataBlock reads n elements; bitmap and bit say which pages were written.
func (e *extensible) dataBlock(addr, n uint64, bitmap []byte, bit uint64) error {
	first := e.next
	e.next += n
	if addr == undefined || first >= e.count {
		return nil
	}
	f := e.file
	used := min(n, e.count-first)
	size := uint64(e.elementSize())
	prefix := uint64(6 + f.addrSize + e.offsetSize)
	if n > e.page {
		d, err := f.checked(addr, prefix+4, "EADB")
		if err != nil {
			return err
		}
		if err := e.walk.visit(addr, uint64(len(d.buf)), "data block"); err != nil {
			return err
		}
		return e.pages(addr+prefix+4, bitmap, bit, e.page, e.num, first, n, used)
	}
	bytes := prefix + n*size + 4
	if err := e.walk.visit(addr, bytes, "data block"); err != nil {
		return err
	}
	d, err := f.checked(addr, bytes, "EADB")
	if err != nil {
		return err
	}
	d.skip(int(prefix) - 4)
	return e.elements(d, e.num, first, used)
}

func (e *extensible) superBlock(addr uint64, blocks int, n uint64) error {
	if addr == undefined {
		e.next += uint64(blocks) * n
		return nil
	}
	f := e.file
	// Every data block has a run of bits in the bitmap, one per page; the
	// bitmap is as long as if every run began at a byte.
	pages, bitmapSize := uint64(0), 0
	if n > e.page {
		pages = n / e.page
		bitmapSize = blocks * int((pages+7)/8)
	}
	prefix := 6 + f.addrSize + e.offsetSize
	bytes := uint64(prefix) + uint64(bitmapSize) + uint64(blocks)*uint64(f.addrSize) + 4
	if err := e.walk.visit(addr, bytes, "super block"); err != nil {
		return err
	}
	d, err := f.checked(addr, bytes, "EASB")
	if err != nil {
		return err
	}
	d.skip(prefix - 4)
	bitmap := d.take(bitmapSize)
	for i := range blocks {
		block := d.addr()
		if d.err != nil {
			return d.err
		}
		if err := e.dataBlock(block, n, bitmap, uint64(i)*pages); err != nil {
			return err
		}
		if e.next >= e.count {
			return nil
		}
	}
	return nil
}
