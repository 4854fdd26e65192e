package hdf5

import "strings"

// maxName bounds a name in a symbol table, which is stored without a length.
const maxName = 1 << 16

// links reads the entries of a group, whichever way it stores them.
func (f *File) links(h *header) ([]Link, error) {
	var out []Link
	for _, m := range h.messages {
		var more []Link
		var err error
		switch m.kind {
		case msgSymbolTable:
			more, err = f.symbolTable(m.body)
		case msgLink:
			var l Link
			l, err = f.parseLink(m.body)
			more = []Link{l}
		case msgLinkInfo:
			more, err = f.denseLinks(m.body)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	seen := make(map[string]bool, len(out))
	for _, l := range out {
		if seen[l.Name] {
			return nil, corrupt("two entries are named %q", l.Name)
		}
		seen[l.Name] = true
	}
	return out, nil
}

// symbolTable reads an old-style group: a B-tree of symbol nodes, names in a
// local heap.
func (f *File) symbolTable(body []byte) ([]Link, error) {
	d := f.decoder(body)
	tree, heapAddr := d.addr(), d.addr()
	if d.err != nil {
		return nil, d.err
	}
	heap, err := f.localHeap(heapAddr)
	if err != nil {
		return nil, err
	}
	var out []Link
	w := f.walk()
	err = f.walkBTree1(tree, btreeGroup, f.lenSize, func(_ []byte, child uint64) error {
		d, err := f.structure(child, 8, "SNOD")
		if err != nil {
			return err
		}
		d.skip(2)
		n := d.u16()
		size := uint64(n * (2*f.addrSize + 24))
		if err := w.visit(child, 8+size, "symbol node"); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		b, err := f.read(child+8, size)
		if err != nil {
			return err
		}
		d = f.decoder(b)
		for range n {
			l, err := f.symbol(d, heap)
			if err != nil {
				return err
			}
			out = append(out, l)
		}
		return nil
	})
	return out, err
}

// symbol reads one symbol table entry.
func (f *File) symbol(d *decoder, heap string) (Link, error) {
	name, addr, cached := d.addr(), d.addr(), d.u32()
	d.skip(4)
	scratch := d.take(16)
	if d.err != nil {
		return Link{}, d.err
	}
	text := func(offset uint64) (string, error) {
		if offset >= uint64(len(heap)) {
			return "", corrupt("name at offset %d of a heap of %d bytes", offset, len(heap))
		}
		s := heap[offset:min(uint64(len(heap)), offset+maxName)]
		n := strings.IndexByte(s, 0)
		if n < 0 {
			return "", corrupt("name at offset %d of a heap has no end", offset)
		}
		return s[:n], nil
	}
	l := Link{addr: addr, order: -1}
	var err error
	if l.Name, err = text(name); err != nil {
		return l, err
	}
	if cached == 2 {
		l.Kind, l.addr = SoftLink, undefined
		l.Target, err = text(uint64((&decoder{buf: scratch}).u32()))
	}
	return l, err
}

func (f *File) localHeap(addr uint64) (string, error) {
	d, err := f.structure(addr, uint64(8+2*f.lenSize+f.addrSize), "HEAP")
	if err != nil {
		return "", err
	}
	d.skip(4)
	size := d.length()
	d.length() // free list
	data := d.addr()
	if d.err != nil {
		return "", d.err
	}
	b, err := f.read(data, size)
	return string(b), err
}

// denseLinks reads the links of a large group: a fractal heap of link
// messages, in the order of a B-tree over their names.
func (f *File) denseLinks(info []byte) ([]Link, error) {
	d := f.decoder(info)
	d.skip(1)
	if flags := d.u8(); flags&1 != 0 {
		d.skip(8) // largest creation order
	}
	heapAddr, names := d.addr(), d.addr()
	if d.err != nil || heapAddr == undefined {
		return nil, d.err
	}
	heap, err := f.readFractalHeap(heapAddr)
	if err != nil {
		return nil, err
	}
	var out []Link
	var bytes uint64
	err = f.walkBTree2(names, func(r *decoder) error {
		r.skip(4) // hash of the name
		id := r.take(min(heap.idSize, r.remaining()))
		if r.err != nil {
			return r.err
		}
		b, err := heap.object(id)
		if err != nil {
			return err
		}
		if bytes += uint64(len(b)); bytes > f.size {
			return corrupt("links overlap")
		}
		l, err := f.parseLink(b)
		if err != nil {
			return err
		}
		out = append(out, l)
		return nil
	}, recordLinkName)
	return out, err
}
