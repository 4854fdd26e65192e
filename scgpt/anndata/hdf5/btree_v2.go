package hdf5

import "math/bits"

// Record types of version 2 B-trees that this package reads.
const (
	recordHuge          = 1 // huge heap object, found by id
	recordHugeFiltered  = 2
	recordLinkName      = 5
	recordAttributeName = 8
	recordChunk         = 10
	recordFilteredChunk = 11
)

// encodedSize is the number of bytes that hold values up to n.
func encodedSize(n uint64) int { return max(1, (bits.Len64(n)+7)/8) }

// walkBTree2 calls each for every record of a version 2 B-tree, which must be
// of one of the given types.
func (f *File) walkBTree2(addr uint64, each func(record *decoder) error, types ...int) error {
	d, err := f.checked(addr, uint64(4+2+4+2+2+2+f.addrSize+2+f.lenSize+4), "BTHD")
	if err != nil {
		return err
	}
	d.skip(1)
	typ := d.u8()
	nodeSize, recordSize, depth := int(d.u32()), d.u16(), d.u16()
	d.skip(2)
	root, n := d.addr(), d.u16()
	if d.err != nil {
		return d.err
	}
	known := false
	for _, t := range types {
		known = known || t == typ
	}
	if !known {
		return corrupt("B-tree at address %d holds records of type %d", addr, typ)
	}
	if root == undefined {
		return nil
	}
	if recordSize == 0 || nodeSize < 10+recordSize || nodeSize > maxMetadata || depth > 32 {
		return corrupt("B-tree at address %d: nodes of %d bytes, records of %d, depth %d", addr, nodeSize, recordSize, depth)
	}

	// A node points to a child by address, number of records in it and, above
	// the second level, number of records below it; the widths of the
	// numbers depend on how many fit at most.
	leafMax := uint64((nodeSize - 10) / recordSize)
	countSize := encodedSize(leafMax)
	totalSize := make([]int, depth+1) // of the total below a node of that depth
	below := leafMax
	for u := 1; u <= depth; u++ {
		pointer := f.addrSize + countSize + totalSize[u-1]
		most := uint64(max(0, nodeSize-10-pointer) / (recordSize + pointer))
		if most == 0 {
			return corrupt("B-tree at address %d: nodes of %d bytes hold no record", addr, nodeSize)
		}
		hi, lo := bits.Mul64(most+1, below)
		if below = lo + most; hi != 0 || below < lo {
			below = ^uint64(0)
		}
		totalSize[u] = encodedSize(below)
	}

	w := f.walk()
	var node func(addr uint64, n, depth int) error
	node = func(addr uint64, n, depth int) error {
		if err := w.visit(addr, uint64(nodeSize), "B-tree node"); err != nil {
			return err
		}
		sig := "BTLF"
		used := 6 + n*recordSize + 4
		if depth > 0 {
			sig = "BTIN"
			used += (n + 1) * (f.addrSize + countSize + totalSize[depth-1])
		}
		if used > nodeSize {
			return corrupt("B-tree node at address %d: %d records do not fit in %d bytes", addr, n, nodeSize)
		}
		d, err := f.checked(addr, uint64(used), sig)
		if err != nil {
			return err
		}
		d.skip(2)
		for range n {
			if err := each(f.decoder(d.take(recordSize))); err != nil {
				return err
			}
		}
		if depth == 0 {
			return nil
		}
		for range n + 1 {
			child, count := d.addr(), int(d.uint(countSize))
			d.skip(totalSize[depth-1])
			if d.err != nil {
				return d.err
			}
			if err := node(child, count, depth-1); err != nil {
				return err
			}
		}
		return nil
	}
	return node(root, n, depth)
}
