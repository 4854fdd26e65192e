package hdf5

import "sync"

// heapCache is how many bytes of global heap collections are kept.
const heapCache = 32 << 20

// globalHeaps reads variable-length data, which lies in collections of
// objects numbered within each.
type globalHeaps struct {
	mu    sync.Mutex
	cache map[uint64]*collection
	bytes uint64
}

// A collection holds its bytes as a string, so that texts are parts of it
// without a copy.
type collection struct {
	data    string
	objects []span // by number
}

// A span with to 0 is of an object that does not exist.
type span struct{ from, to uint32 }

func (c *collection) cost() uint64 { return uint64(len(c.data) + 8*len(c.objects)) }

// A heapReader resolves references of one call. Its budget bounds the work
// that references in a hostile order can cause.
type heapReader struct {
	file   *File
	budget uint64
	last   *collection
	at     uint64
}

func (f *File) heapReader() *heapReader {
	return &heapReader{file: f, budget: 8*f.size + heapCache, at: undefined}
}

// text returns the object that a reference in d names: length, address of the
// collection, number of the object. The length counts elements of size bytes.
func (r *heapReader) text(d *decoder, size int) (string, error) {
	n, addr, id := uint64(d.u32()), d.addr(), int(d.u32())
	if d.err != nil {
		return "", d.err
	}
	if n == 0 || addr == 0 || addr == undefined {
		return "", nil
	}
	if addr != r.at {
		c, err := r.collection(addr)
		if err != nil {
			return "", err
		}
		r.last, r.at = c, addr
	}
	var o span
	if id < len(r.last.objects) {
		o = r.last.objects[id]
	}
	if o.to == 0 {
		return "", corrupt("the heap at address %d has no object %d", addr, id)
	}
	if n > uint64(o.to-o.from)/uint64(size) {
		return "", corrupt("object %d of the heap at address %d has %d bytes, want %d elements of %d", id, addr, o.to-o.from, n, size)
	}
	return r.last.data[o.from : o.from+uint32(n)*uint32(size)], nil
}

func (r *heapReader) collection(addr uint64) (*collection, error) {
	g := &r.file.heaps
	g.mu.Lock()
	c := g.cache[addr]
	g.mu.Unlock()
	if c != nil {
		return c, nil
	}
	c, err := r.file.readCollection(addr)
	if err != nil {
		return nil, err
	}
	n := c.cost()
	if n > r.budget {
		return nil, corrupt("texts jump between the heaps of the file without end")
	}
	r.budget -= n
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cache == nil || g.bytes+n > heapCache {
		g.cache, g.bytes = map[uint64]*collection{}, 0
	}
	if n <= heapCache && g.cache[addr] == nil {
		g.cache[addr] = c
		g.bytes += n
	}
	return c, nil
}

func (f *File) readCollection(addr uint64) (*collection, error) {
	prefix := uint64(8 + f.lenSize)
	d, err := f.structure(addr, prefix, "GCOL")
	if err != nil {
		return nil, err
	}
	d.skip(4)
	size := d.length()
	if size < prefix {
		return nil, corrupt("heap at address %d of %d bytes", addr, size)
	}
	b, err := f.read(addr, size)
	if err != nil {
		return nil, err
	}
	c := &collection{data: string(b)}
	d = f.decoder(b)
	d.skip(int(prefix))
	for d.remaining() >= 8+f.lenSize {
		id := d.u16()
		d.skip(6)
		n := d.length()
		if id == 0 {
			break // free space, always last
		}
		if n > uint64(d.remaining()) {
			return nil, corrupt("object %d of the heap at address %d has %d bytes, but %d are left", id, addr, n, d.remaining())
		}
		for len(c.objects) <= id {
			c.objects = append(c.objects, span{})
		}
		c.objects[id] = span{uint32(d.pos), uint32(d.pos) + uint32(n)}
		start := d.pos
		d.skip(int(n))
		d.align(start)
	}
	return c, d.err
}
