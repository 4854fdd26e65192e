package hdf5

// sharedMessages is the table of the superblock extension that says in which
// fractal heap the shared messages of a kind lie.
type sharedMessages = once[map[int]*fractalHeap]

// resolve returns the body of a message, looked up where it is stored apart:
// in another object's header (a committed datatype) or in a heap.
func (f *File) resolve(m message, depth int) ([]byte, error) {
	if m.flags&flagShared == 0 {
		return m.body, nil
	}
	return f.resolveShared(m.kind, f.decoder(m.body), depth)
}

// resolveShared follows a "shared message" record to a message of a kind.
func (f *File) resolveShared(kind int, d *decoder, depth int) ([]byte, error) {
	if depth > 4 {
		return nil, corrupt("shared messages refer to one another")
	}
	version, typ := d.u8(), d.u8()
	if version == 1 {
		d.skip(6)
	}
	if version == 3 && typ == 1 {
		id := d.take(8)
		if d.err != nil {
			return nil, d.err
		}
		return f.sharedInHeap(kind, id)
	}
	if version < 1 || version > 3 {
		return nil, unsupported("shared message version %d", version)
	}
	addr := d.addr()
	if d.err != nil {
		return nil, d.err
	}
	h, err := f.readHeader(addr)
	if err != nil {
		return nil, err
	}
	for _, m := range h.messages {
		if m.kind == kind {
			return f.resolve(m, depth+1)
		}
	}
	return nil, corrupt("the object at address %d has no message of kind %d to share", addr, kind)
}

func (f *File) sharedInHeap(kind int, id []byte) ([]byte, error) {
	heaps, err := f.shared.get(f.readSharedTable)
	if err != nil {
		return nil, err
	}
	h := heaps[kind]
	if h == nil {
		return nil, corrupt("no heap for shared messages of kind %d", kind)
	}
	return h.object(id)
}

func (f *File) readSharedTable() (map[int]*fractalHeap, error) {
	if f.extension == undefined {
		return nil, corrupt("a message is shared in a heap, but the file has no table of such heaps")
	}
	ext, err := f.readHeader(f.extension)
	if err != nil {
		return nil, err
	}
	b, err := f.find(ext, msgSharedTable)
	if err != nil {
		return nil, err
	}
	d := f.decoder(b)
	d.skip(1)
	addr, n := d.addr(), d.u8()
	if d.err != nil {
		return nil, d.err
	}
	entry := 2 + 2 + 4 + 3*2 + 2*f.addrSize
	t, err := f.checked(addr, uint64(4+n*entry+4), "SMTB")
	if err != nil {
		return nil, err
	}
	heaps := map[int]*fractalHeap{}
	for range n {
		t.skip(2)
		kinds := t.u16()
		t.skip(4 + 3*2)
		t.addr() // index by content
		heapAddr := t.addr()
		if t.err != nil {
			return nil, t.err
		}
		if heapAddr == undefined {
			continue
		}
		h, err := f.readFractalHeap(heapAddr)
		if err != nil {
			return nil, err
		}
		for kind := range 16 {
			if kinds>>kind&1 != 0 {
				heaps[kind] = h
			}
		}
	}
	return heaps, nil
}
