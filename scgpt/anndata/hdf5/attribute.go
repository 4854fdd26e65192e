package hdf5

import (
	"fmt"
)

// An Attribute is a named value attached to an object.
type Attribute struct {
	Name string
	Type *Datatype
	// Shape is empty for a single value.
	Shape []int
	// Null is true where the attribute has no value.
	Null bool

	file   *File
	object string
	count  int
	raw    []byte
	stored message // as found, for copies
}

// parseAttribute reads an attribute message.
func (f *File) parseAttribute(m message) (*Attribute, error) {
	b, err := f.resolve(m, 0)
	if err != nil {
		return nil, err
	}
	d := f.decoder(b)
	version, flags := d.u8(), d.u8()
	if d.err == nil && (version < 1 || version > 3) {
		return nil, unsupported("attribute version %d", version)
	}
	nameSize, typeSize, spaceSize := d.u16(), d.u16(), d.u16()
	if version == 3 {
		d.skip(1) // character set of the name
	}
	part := func(n int) []byte {
		start := d.pos
		p := d.take(n)
		if version == 1 {
			d.align(start)
		}
		return p
	}
	name, typ, space := part(nameSize), part(typeSize), part(spaceSize)
	if d.err != nil {
		return nil, d.err
	}
	a := &Attribute{Name: cString(name), file: f, stored: m}
	if version > 1 && flags&1 != 0 {
		if typ, err = f.resolveShared(msgDatatype, f.decoder(typ), 0); err != nil {
			return nil, err
		}
	}
	if version > 1 && flags&2 != 0 {
		if space, err = f.resolveShared(msgDataspace, f.decoder(space), 0); err != nil {
			return nil, err
		}
	}
	if a.Type, err = f.parseDatatype(typ); err != nil {
		return nil, err
	}
	s, err := f.parseDataspace(space)
	if err != nil {
		return nil, err
	}
	n, err := s.count()
	if err != nil {
		return nil, err
	}
	if a.Type.Size > 0 && n > uint64(d.remaining())/uint64(a.Type.Size) {
		return nil, corrupt("attribute %q: %d values of %d bytes in a message of %d", a.Name, n, a.Type.Size, len(b))
	}
	if a.Type.Size == 0 && n > uint64(len(b)) {
		return nil, corrupt("attribute %q: %d values of no bytes", a.Name, n)
	}
	a.Null, a.count = s.null, int(n)
	for _, n := range s.dims {
		a.Shape = append(a.Shape, int(n))
	}
	a.raw = d.take(int(n) * a.Type.Size)
	return a, d.err
}

func (a *Attribute) locate(err error) error {
	return a.file.locate(a.object+"@"+a.Name, err)
}

// Len returns the number of values.
func (a *Attribute) Len() int { return a.count }

// Strings returns the values of an attribute of texts.
func (a *Attribute) Strings() ([]string, error) {
	out := make([]string, a.count)
	if err := a.file.texts(a.Type, a.raw, out, a.file.heapReader()); err != nil {
		return nil, a.locate(err)
	}
	return out, nil
}

// Text returns the one value of an attribute of texts.
func (a *Attribute) Text() (string, error) {
	s, err := a.Strings()
	if err != nil {
		return "", err
	}
	if len(s) != 1 {
		return "", a.locate(corrupt("%d values, want one text", len(s)))
	}
	return s[0], nil
}

// Int64s returns the values of an attribute of whole numbers.
func (a *Attribute) Int64s() ([]int64, error) {
	if !a.Type.Integer() {
		return nil, a.locate(corrupt("holds %v, want whole numbers", a.Type))
	}
	out := make([]int64, a.count)
	convert(a.Type, out, a.raw)
	return out, nil
}

// Float64s returns the values of an attribute of numbers.
func (a *Attribute) Float64s() ([]float64, error) {
	if !a.Type.Numeric() {
		return nil, a.locate(corrupt("holds %v, want numbers", a.Type))
	}
	out := make([]float64, a.count)
	convert(a.Type, out, a.raw)
	return out, nil
}

// References returns the objects that an attribute of object references
// points to.
func (a *Attribute) References() ([]*Object, error) {
	if !a.Type.ObjectReference {
		return nil, a.locate(corrupt("holds %v, want object references", a.Type))
	}
	var out []*Object
	for d := a.file.decoder(a.raw); d.remaining() > 0; {
		addr := d.addr()
		o, err := a.file.objectAt(addr, fmt.Sprintf("<object at %d>", addr))
		if err != nil {
			return nil, a.locate(err)
		}
		out = append(out, o)
	}
	return out, nil
}

// attributes reads the attributes of a header: those in messages and those
// stored densely.
func (f *File) attributes(h *header) ([]*Attribute, error) {
	var out []*Attribute
	for _, m := range h.messages {
		switch m.kind {
		case msgAttribute:
			a, err := f.parseAttribute(m)
			if err != nil {
				return nil, err
			}
			out = append(out, a)
		case msgAttributeInfo:
			dense, err := f.denseAttributes(m.body)
			if err != nil {
				return nil, err
			}
			out = append(out, dense...)
		}
	}
	return out, nil
}

func (f *File) denseAttributes(info []byte) ([]*Attribute, error) {
	d := f.decoder(info)
	d.skip(1)
	if flags := d.u8(); flags&1 != 0 {
		d.skip(2)
	}
	heapAddr, names := d.addr(), d.addr()
	if d.err != nil || heapAddr == undefined {
		return nil, d.err
	}
	heap, err := f.readFractalHeap(heapAddr)
	if err != nil {
		return nil, err
	}
	var out []*Attribute
	var bytes uint64
	err = f.walkBTree2(names, func(r *decoder) error {
		id, flags, order := r.take(8), r.u8(), r.u32()
		if r.err != nil {
			return r.err
		}
		m := message{kind: msgAttribute, flags: flags &^ flagShared, order: int(order)}
		if flags&flagShared != 0 {
			m.body, err = f.sharedInHeap(msgAttribute, id)
		} else {
			m.body, err = heap.object(id)
		}
		if err != nil {
			return err
		}
		if bytes += uint64(len(m.body)); bytes > f.size {
			return corrupt("attributes overlap")
		}
		a, err := f.parseAttribute(m)
		if err != nil {
			return err
		}
		out = append(out, a)
		return nil
	}, recordAttributeName)
	return out, err
}
