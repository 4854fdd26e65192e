package hdf5

// newSuperblockSize is the size of a version 2 superblock.
const newSuperblockSize = 48

func (w *Writer) newSuperblock(root Ref) []byte {
	e := &encoder{}
	e.text(signature)
	e.bytes(2, 8, 8, 0)
	e.u64(0)
	e.u64(undefined)
	e.u64(w.end)
	e.u64(uint64(root))
	e.checksum()
	return e.buf
}

// patchedSuperblock is the superblock of the extended file with a new root and
// end. The flags that say the file is open for writing are cleared.
func (w *Writer) patchedSuperblock(root Ref) ([]byte, error) {
	f := w.src
	extension := f.extension
	if extension != undefined {
		var err error
		if extension, err = w.superblockExtension(); err != nil {
			return nil, f.locate("", err)
		}
	}
	size := uint64(newSuperblockSize)
	if f.version < 2 {
		size = f.rootEntry + 40
	}
	b, err := f.read(0, size)
	if err != nil {
		return nil, f.locate("", err)
	}
	e := &encoder{buf: b}
	// The end counts from the start of the file, the root from the superblock.
	end := w.base + w.end
	if f.version < 2 {
		clear(e.buf[f.flagsAt : f.flagsAt+4])
		e.patch64(int(f.rootEntry)-16, end)
		e.patch64(int(f.rootEntry)+8, uint64(root))
		// What is cached of the root in its entry is of the old one.
		clear(e.buf[f.rootEntry+16 : f.rootEntry+40])
		return e.buf, nil
	}
	e.buf[f.flagsAt] = 0
	e.patch64(20, extension)
	e.patch64(28, end)
	e.patch64(36, uint64(root))
	e.buf = e.buf[:newSuperblockSize-4]
	e.checksum()
	return e.buf, nil
}

// superblockExtension returns the address of the extension, of a copy without
// the record of free space where there is one: it would no longer hold.
func (w *Writer) superblockExtension() (uint64, error) {
	h, err := w.src.readHeader(w.src.extension)
	if err != nil {
		return 0, err
	}
	if !h.has(msgFreeSpace) {
		return h.addr, nil
	}
	var kept []message
	for _, m := range h.messages {
		if m.kind != msgFreeSpace {
			kept = append(kept, m)
		}
	}
	ref, err := w.header(0, kept)
	return uint64(ref), err
}
