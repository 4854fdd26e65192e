package hdf5

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// everything reads all that a file holds and returns a digest of each dataset
// and attribute by path. Texts count by content, numbers by their bytes.
func everything(ctx context.Context, f *File) (map[string]string, error) {
	return upTo(ctx, f, 64<<20)
}

// upTo is everything, with at most so many bytes of each dataset.
func upTo(ctx context.Context, f *File, limit int) (map[string]string, error) {
	root, err := f.Root()
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	seen := map[uint64]bool{}
	var visit func(o *Object) error
	visit = func(o *Object) error {
		if seen[o.Address()] {
			return nil
		}
		seen[o.Address()] = true
		as, err := o.Attributes()
		if err != nil {
			return err
		}
		for _, a := range as {
			digest, err := digestElements(f, a.Type, a.raw)
			if err != nil {
				return err
			}
			out[o.Path()+"@"+a.Name] = fmt.Sprintf("%v %v %s", a.Type, a.Shape, digest)
		}
		if o.Kind() == KindDataset {
			d, err := o.Dataset()
			if err != nil {
				return err
			}
			rows := d.Rows()
			if n := max(1, d.RowLen()) * max(1, d.Type().Size); n < 0 || rows > limit/n {
				rows = limit / max(1, n)
			}
			raw, err := d.ReadBytes(ctx, 0, rows)
			if err != nil {
				return err
			}
			digest, err := digestElements(f, d.Type(), raw)
			if err != nil {
				return err
			}
			out[o.Path()] = fmt.Sprintf("%v %v %s", d.Type(), d.Shape(), digest)
			return nil
		}
		ls, err := o.Links()
		if err != nil {
			return err
		}
		for _, l := range ls {
			child, err := o.Open(l)
			if err != nil {
				return err
			}
			if err := visit(child); err != nil {
				return err
			}
		}
		return nil
	}
	return out, visit(root)
}

func digestElements(f *File, t *Datatype, raw []byte) (string, error) {
	h := sha256.New()
	if t.Text() && t.Size > 0 {
		texts, err := f.Strings(t, raw)
		if err != nil {
			return "", err
		}
		for _, s := range texts {
			h.Write([]byte(s))
			h.Write([]byte{0})
		}
	} else {
		h.Write(raw)
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}
