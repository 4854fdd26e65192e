package hdf5

import "fmt"

// An Attr is an attribute to write.
type Attr struct {
	Name string
	// Value is a string, bool, int64 or float64, or a slice of strings or
	// int64.
	Value any

	stored *Attribute
}

// Attr returns the attribute for writing into a copy of its own file.
func (a *Attribute) Attr() Attr { return Attr{Name: a.Name, stored: a} }

func (w *Writer) attrMessage(a Attr) (message, error) {
	if a.stored != nil {
		if a.stored.file != w.src {
			return message{}, w.fail("attribute %q is of another file", a.Name)
		}
		if len(a.stored.stored.body) > maxMessage {
			return message{}, w.fail("attribute %q takes %d bytes; at most %d fit", a.Name, len(a.stored.stored.body), maxMessage)
		}
		return a.stored.stored, nil
	}
	e := &encoder{}
	var t *Datatype
	var shape []int
	data := &encoder{}
	switch v := a.Value.(type) {
	case string:
		t = TypeString
		refs, err := w.texts([]string{v})
		if err != nil {
			return message{}, err
		}
		data.buf = refs
	case []string:
		t, shape = TypeString, []int{len(v)}
		if 16*len(v) > maxMessage-256 {
			return message{}, w.fail("attribute %q has %d texts; at most %d fit", a.Name, len(v), (maxMessage-256)/16)
		}
		refs, err := w.texts(v)
		if err != nil {
			return message{}, err
		}
		data.buf = refs
	case bool:
		t = TypeBool
		data.bytes(0)
		if v {
			data.buf[0] = 1
		}
	case int64:
		t = TypeInt64
		data.u64(uint64(v))
	case []int64:
		t, shape = TypeInt64, []int{len(v)}
		for _, x := range v {
			data.u64(uint64(x))
		}
	default:
		return message{}, w.fail("attribute %q: values of type %T are not written", a.Name, a.Value)
	}
	space := encodeSpace(shape, false)
	e.bytes(3, 0)
	e.u16(len(a.Name) + 1)
	e.u16(len(t.encoded))
	e.u16(len(space))
	e.bytes(1) // UTF-8
	e.text(a.Name)
	e.bytes(0)
	e.bytes(t.encoded...)
	e.bytes(space...)
	e.bytes(data.buf...)
	if len(e.buf) > maxMessage {
		return message{}, w.fail("attribute %q takes %d bytes; at most %d fit", a.Name, len(e.buf), maxMessage)
	}
	return message{kind: msgAttribute, body: e.buf}, nil
}

// attrMessages returns the attribute messages of an edited object.
func (w *Writer) attrMessages(o *Object, h *header, e Edit) ([]message, error) {
	if len(e.Attrs) == 0 && len(e.RemoveAttrs) == 0 {
		// Dense ones stay where they are.
		var out []message
		for _, m := range h.messages {
			if m.kind == msgAttribute || m.kind == msgAttributeInfo {
				out = append(out, m)
			}
		}
		return out, nil
	}
	gone := map[string]bool{}
	for _, name := range e.RemoveAttrs {
		gone[name] = true
	}
	for _, a := range e.Attrs {
		gone[a.Name] = true
	}
	var attrs []Attr
	next := 0
	if o != nil {
		stored, err := o.Attributes()
		if err != nil {
			return nil, err
		}
		for _, a := range stored {
			next = max(next, a.stored.order+1)
			if !gone[a.Name] {
				attrs = append(attrs, a.Attr())
			}
		}
	}
	attrs = append(attrs, e.Attrs...)
	var out []message
	for _, a := range attrs {
		m, err := w.attrMessage(a)
		if err != nil {
			if o != nil {
				err = fmt.Errorf("%s: %w", o.path, err)
			}
			return nil, err
		}
		if a.stored == nil {
			m.order = next
			next++
		}
		out = append(out, m)
	}
	// Where there was a record of dense attributes, none is dense now.
	for _, m := range h.messages {
		if m.kind != msgAttributeInfo || len(m.body) < 2 {
			continue
		}
		flags := m.body[1] & 3
		info := &encoder{}
		info.bytes(0, flags)
		if flags&1 != 0 {
			info.u16(next)
		}
		info.u64(undefined)
		info.u64(undefined)
		if flags&2 != 0 {
			info.u64(undefined)
		}
		out = append(out, message{kind: msgAttributeInfo, body: info.buf})
	}
	return out, nil
}
