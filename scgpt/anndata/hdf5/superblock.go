package hdf5

// The eight bytes that begin every HDF5 file.
const signature = "\x89HDF\r\n\x1a\n"

// superblock holds what the rest of the file depends on ("Disk Format: Level
// 0A"). Addresses in the file count from base, where the superblock lies.
type superblock struct {
	version            int
	addrSize, lenSize  int
	base               uint64
	end                uint64 // absolute end of the HDF5 data
	rootAddr           uint64
	extension          uint64
	leafK, groupK      int // symbol nodes, group B-trees: half of what a node holds
	chunkK             int // chunk B-trees: half of what a node holds
	rootEntry, flagsAt uint64
}

func (f *File) readSuperblock() error {
	at, err := f.findSuperblock()
	if err != nil {
		return err
	}
	f.base, f.addrSize, f.lenSize = at, 8, 8
	f.leafK, f.groupK, f.chunkK = 4, 16, 32
	f.extension = undefined

	b, err := f.read(0, min(f.size-at, 128))
	if err != nil {
		return err
	}
	d := f.decoder(b)
	d.skip(len(signature))
	f.version = d.u8()
	var base uint64
	switch f.version {
	case 0, 1:
		d.skip(4)
		f.sizes(d)
		d.skip(1)
		f.leafK, f.groupK = d.u16(), d.u16()
		f.flagsAt = uint64(d.pos)
		d.skip(4)
		if f.version == 1 {
			f.chunkK = d.u16()
			d.skip(2)
		}
		base = d.addr()
		d.addr() // free space: never used
		f.end = d.addr()
		d.addr() // driver information
		f.rootEntry = uint64(d.pos)
		d.addr() // name of the root group
		f.rootAddr = d.addr()
	case 2, 3:
		f.sizes(d)
		f.flagsAt = uint64(d.pos)
		d.skip(1)
		base = d.addr()
		f.extension = d.addr()
		f.end = d.addr()
		f.rootAddr = d.addr()
		if d.err == nil {
			d.skip(4)
		}
		if d.err == nil {
			if err := f.verify(b[:d.pos], 0); err != nil {
				return err
			}
		}
	default:
		return unsupported("superblock version %d", f.version)
	}
	if d.err != nil {
		return d.err
	}
	if base != at {
		return corrupt("the superblock lies at %d but says %d", at, base)
	}
	if f.end > f.size {
		return corrupt("truncated: the file has %d bytes, its superblock says %d", f.size, f.end)
	}
	if f.leafK == 0 || f.groupK == 0 || f.chunkK == 0 {
		return corrupt("tree nodes for no entries")
	}
	return nil
}

// sizes reads the widths of addresses and lengths.
func (f *File) sizes(d *decoder) {
	a, l := d.u8(), d.u8()
	for _, n := range []int{a, l} {
		if n != 2 && n != 4 && n != 8 {
			d.fail("addresses of %d and lengths of %d bytes", a, l)
			return
		}
	}
	f.addrSize, f.lenSize = a, l
	d.addrSize, d.lenSize = a, l
}

// findSuperblock looks at 0, 512, 1024, 2048, …: a user block may come first.
func (f *File) findSuperblock() (uint64, error) {
	var b [len(signature)]byte
	for at := uint64(0); at+uint64(len(b)) < f.size; at = max(512, 2*at) {
		if err := f.readInto(b[:], at); err != nil {
			return 0, err
		}
		if string(b[:]) == signature {
			return at, nil
		}
	}
	if f.size == 0 {
		return 0, corrupt("the file is empty")
	}
	return 0, corrupt("not an HDF5 file (no signature)")
}
