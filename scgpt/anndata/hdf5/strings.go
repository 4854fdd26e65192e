package hdf5

import (
	"bytes"
	"context"
	"fmt"
)

// ReadStrings reads rows of texts, RowLen each. Texts of one heap share its
// memory.
func (d *Dataset) ReadStrings(ctx context.Context, from, to int) ([]string, error) {
	n, err := d.rowRange(from, to)
	if err != nil {
		return nil, d.locate(err)
	}
	if !d.typ.Text() || d.typ.Size == 0 {
		return nil, d.locate(corrupt("holds %v, want texts", d.typ))
	}
	if err := d.CheckStored(from, to); err != nil {
		return nil, err
	}
	out := make([]string, n)
	heap := d.obj.file.heapReader()
	// References are resolved in order, a part at a time.
	step := max(1, (1<<20)/(d.typ.Size*max(1, d.rowLen)))
	for row := from; row < to; row += step {
		end := min(row+step, to)
		raw, err := d.ReadBytes(ctx, row, end)
		if err != nil {
			return nil, err
		}
		if err := d.obj.file.texts(d.typ, raw, out[(row-from)*d.rowLen:(end-from)*d.rowLen], heap); err != nil {
			return nil, d.locate(err)
		}
	}
	return out, nil
}

// texts reads len(out) texts from raw, which holds that many elements.
func (f *File) texts(t *Datatype, raw []byte, out []string, heap *heapReader) error {
	switch {
	case t.Class == ClassString:
		for i := range out {
			b := raw[i*t.Size : (i+1)*t.Size]
			if t.SpacePad {
				b = bytes.TrimRight(b, " ")
			}
			out[i] = cString(b)
		}
	case t.VarString:
		d := f.decoder(raw)
		for i := range out {
			s, err := heap.text(d, 1)
			if err != nil {
				return err
			}
			out[i] = s
		}
	default:
		return corrupt("holds %v, want texts", t)
	}
	return nil
}

// Strings reads texts from the elements of raw, as a field of a compound has
// them.
func (f *File) Strings(t *Datatype, raw []byte) ([]string, error) {
	if !t.Text() || t.Size == 0 {
		return nil, f.locate("", corrupt("%v is not a type of texts", t))
	}
	out := make([]string, len(raw)/t.Size)
	if err := f.texts(t, raw, out, f.heapReader()); err != nil {
		return nil, fmt.Errorf("texts: %w", f.locate("", err))
	}
	return out, nil
}
