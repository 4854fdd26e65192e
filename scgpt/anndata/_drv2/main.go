package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

func main() {
	ctx := context.Background()
	for _, p := range os.Args[2:] {
		f, err := hdf5.Open(p)
		if err != nil {
			fmt.Println(p, "ERR", err)
			continue
		}
		root, err := f.Root()
		if err != nil {
			fmt.Println(p, "ERR", err)
			continue
		}
		seen := map[uint64]bool{}
		var walk func(o *hdf5.Object)
		walk = func(o *hdf5.Object) {
			if seen[o.Address()] { return }
			seen[o.Address()] = true
			as, err := o.Attributes()
			if err != nil { fmt.Println(p, o.Path(), "ERR", err); return }
			for _, a := range as {
				if a.Type.Text() { s, err := a.Strings(); h := sha256.New(); for _, x := range s { h.Write([]byte(x + "\x00")) }; fmt.Printf("%s\t%s@%s\t%x %v\n", p, o.Path(), a.Name, h.Sum(nil)[:6], err) }
			}
			if o.Kind() == hdf5.KindDataset {
				d, err := o.Dataset()
				if err != nil { fmt.Println(p, o.Path(), "ERR", err); return }
				h := sha256.New()
				if d.Type().Text() {
					s, err := d.ReadStrings(ctx, 0, d.Rows())
					if err != nil { fmt.Println(p, o.Path(), "ERR", err) }
					for _, x := range s { h.Write([]byte(x + "\x00")) }
				} else {
					// in pieces
					step := max(1, d.Rows()/3)
					for i := 0; i < d.Rows(); i += step {
						b, err := d.ReadBytes(ctx, i, min(i+step, d.Rows()))
						if err != nil { fmt.Println(p, o.Path(), "ERR", err); break }
						h.Write(b)
					}
				}
				fmt.Printf("%s\t%s\t%x\n", p, o.Path(), h.Sum(nil)[:6])
				return
			}
			ls, err := o.Links()
			if err != nil { fmt.Println(p, o.Path(), "ERR", err); return }
			for _, l := range ls {
				if l.Kind == hdf5.OtherLink { continue }
				c, err := o.Open(l)
				if err != nil { fmt.Println(p, o.Path(), l.Name, "ERR", err); continue }
				walk(c)
			}
		}
		walk(root)
		if os.Args[1] == "edit" {
			out, _ := os.Create(p + ".edited")
			w, err := hdf5.Extend(ctx, out, f)
			if err != nil { fmt.Println(p, "EXTEND", err); continue }
			done := map[uint64]hdf5.Ref{}
			var edit func(o *hdf5.Object) hdf5.Ref
			edit = func(o *hdf5.Object) hdf5.Ref {
				if r, ok := done[o.Address()]; ok { return r }
				done[o.Address()] = hdf5.Ref(o.Address())
				e := hdf5.Edit{Attrs: []hdf5.Attr{{Name: "touched", Value: int64(1)}, {Name: "words", Value: []string{"é", ""}}}}
				if o.Path() == "attrs" || o.Kind() == hdf5.KindDatatype { return hdf5.Ref(o.Address()) }
				if o.Kind() == hdf5.KindGroup {
					ls, _ := o.Links()
					for _, l := range ls {
						if l.Kind != hdf5.HardLink { continue }
						c, err := o.Open(l)
						if err != nil { panic(err) }
						e.Entries = append(e.Entries, hdf5.NewEntry(l.Name, edit(c)))
					}
					new, err := w.Dataset(hdf5.DatasetSpec{Type: hdf5.TypeInt8, Shape: []int{5}, Deflate: 3}, []byte{1, 2, 3, 4, 5})
					if err != nil { panic(err) }
					e.Entries = append(e.Entries, hdf5.NewEntry("new ü", new))
				}
				r, err := w.Edit(o, e)
				if err != nil { fmt.Println(p, o.Path(), "EDIT", err); return hdf5.Ref(o.Address()) }
				done[o.Address()] = r
				return r
			}
			if err := w.Finish(edit(root)); err != nil { fmt.Println(p, "FINISH", err) }
			out.Close()
		}
	}
}
