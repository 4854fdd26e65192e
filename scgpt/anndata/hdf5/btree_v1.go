package hdf5

// Kinds of version 1 B-trees.
const (
	btreeGroup = 0
	btreeChunk = 1
)

// walkBTree1 calls leaf for every entry of the lowest level of a version 1
// B-tree: its left key, keySize bytes, and its child address. Sibling pointers
// are not followed.
func (f *File) walkBTree1(addr uint64, kind, keySize int, leaf func(key []byte, child uint64) error) error {
	w := f.walk()
	var node func(addr uint64, level int) error
	node = func(addr uint64, level int) error {
		prefix := uint64(8 + 2*f.addrSize)
		d, err := f.structure(addr, prefix, "TREE")
		if err != nil {
			return err
		}
		typ, lvl, n := d.u8(), d.u8(), d.u16()
		if typ != kind {
			return corrupt("B-tree node at address %d is of kind %d, want %d", addr, typ, kind)
		}
		if level >= 0 && lvl != level {
			return corrupt("B-tree node at address %d is of level %d, want %d", addr, lvl, level)
		}
		size := uint64(n * (keySize + f.addrSize))
		if err := w.visit(addr, prefix+size, "B-tree node"); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		b, err := f.read(addr+prefix, size)
		if err != nil {
			return err
		}
		for d := f.decoder(b); d.remaining() > 0; {
			key, child := d.take(keySize), d.addr()
			if d.err != nil {
				return d.err
			}
			if lvl > 0 {
				err = node(child, lvl-1)
			} else {
				err = leaf(key, child)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return node(addr, -1)
}
