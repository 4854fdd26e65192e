package anndata

import (
	"errors"
	"strings"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// This file brings what anndata before 0.8 wrote to today's encodings. Data
// stay where they are; objects get new headers with the attributes that name
// their encoding. Only records become columns of their own.

// outdated reports whether the file has elements of old encodings.
func (f *File) outdated() (bool, error) {
	root, err := encodingOf(f.root)
	if err != nil {
		return false, err
	}
	if root != "anndata" {
		return true, nil
	}
	for _, fr := range []*Frame{f.obs, f.vars} {
		version, err := textAttribute(fr.obj, "encoding-version")
		if err != nil || fr.legacy != nil || version == "0.1.0" {
			return true, err
		}
	}
	return false, nil
}

// modernRoot writes all of the root but obs, obsm and uns, which additions
// change too.
func (c *copier) modernRoot() (hdf5.Edit, error) {
	edit := hdf5.Edit{Attrs: encoded("anndata")}
	raw := map[string]hdf5.Entry{}
	for _, name := range sortedKeys(c.src.top) {
		if name == "obs" || name == "obsm" || name == "uns" {
			continue
		}
		o, err := c.src.root.Open(c.src.top[name])
		if err != nil {
			return edit, err
		}
		var ref hdf5.Ref
		part, flat := strings.CutPrefix(name, "raw.")
		switch {
		case name == "var":
			ref, err = c.modernFrame(c.src.vars, nil, c.src.vars.columns, 0)
		case part == "var" && flat:
			ref, err = c.modernFrameAt(o, 0)
		case name == "raw":
			ref, err = c.modernRaw(o)
		case name == "varm" || part == "varm" && flat:
			ref, err = c.modernDict(o, nil, 0)
		default:
			ref, err = c.modern(o, 0)
		}
		if err != nil {
			return edit, err
		}
		if flat {
			// anndata 0.6 kept the parts of raw side by side.
			raw[part] = hdf5.NewEntry(part, ref)
			edit.Remove = append(edit.Remove, name)
		} else {
			edit.Entries = append(edit.Entries, hdf5.NewEntry(name, ref))
		}
	}
	if len(raw) > 0 {
		var parts []hdf5.Entry
		for _, name := range sortedKeys(raw) {
			parts = append(parts, raw[name])
		}
		ref, err := c.Group(parts, encoded("raw"))
		if err != nil {
			return edit, err
		}
		edit.Entries = append(edit.Entries, hdf5.NewEntry("raw", ref))
	}
	return edit, nil
}

func (c *copier) modernRaw(o *hdf5.Object) (hdf5.Ref, error) {
	links, err := entries(o)
	if err != nil {
		return 0, err
	}
	edit := hdf5.Edit{Attrs: encoded("raw")}
	for _, name := range sortedKeys(links) {
		part, err := o.Open(links[name])
		if err != nil {
			return 0, err
		}
		var ref hdf5.Ref
		if name == "var" {
			ref, err = c.modernFrameAt(part, 0)
		} else {
			ref, err = c.modern(part, 0)
		}
		if err != nil {
			return 0, err
		}
		edit.Entries = append(edit.Entries, hdf5.NewEntry(name, ref))
	}
	return c.Edit(o, edit)
}

// modern writes an element of any kind: as it is where it names its encoding,
// and once where several groups have it.
func (c *copier) modern(o *hdf5.Object, depth int) (hdf5.Ref, error) {
	if depth > maxUnsDepth {
		return 0, c.src.errorf("%s: groups are nested more than %d deep", o.Path(), maxUnsDepth)
	}
	ref, ok := c.modernized[o.Address()]
	if ok && ref == 0 {
		return 0, c.src.errorf("%s contains itself", o.Path())
	}
	if ok {
		return ref, nil
	}
	c.modernized[o.Address()] = 0
	ref, err := c.modernElement(o, depth)
	if err != nil {
		return 0, err
	}
	c.modernized[o.Address()] = ref
	return ref, nil
}

func (c *copier) modernElement(o *hdf5.Object, depth int) (hdf5.Ref, error) {
	enc, err := encodingOf(o)
	if err != nil {
		return 0, err
	}
	if enc == "dataframe" {
		return c.modernFrameAt(o, depth)
	}
	if enc != "" {
		return hdf5.Ref(o.Address()), nil
	}
	if o.Kind() == hdf5.KindDataset {
		return c.modernDataset(o)
	}
	format, err := textAttribute(o, "h5sparse_format")
	if err != nil {
		return 0, err
	}
	if format == "" {
		return c.modernDict(o, nil, depth)
	}
	shape, err := o.Attribute("h5sparse_shape")
	if err != nil {
		return 0, c.src.sparseError(o.Path(), err)
	}
	dims, err := shape.Int64s()
	if err != nil {
		return 0, err
	}
	return c.Edit(o, hdf5.Edit{
		Attrs:       encoded(format+"_matrix", hdf5.Attr{Name: "shape", Value: dims}),
		RemoveAttrs: []string{"h5sparse_format", "h5sparse_shape"},
	})
}

// modernDict writes a mapping and all in it, with entries added. Records with
// one field per array, as obsm and varm were, become a mapping.
func (c *copier) modernDict(o *hdf5.Object, added []hdf5.Entry, depth int) (hdf5.Ref, error) {
	if o.Kind() == hdf5.KindDataset {
		return c.modernRecords(o, added)
	}
	taken := map[string]bool{}
	links, err := entries(o)
	if err != nil {
		return 0, err
	}
	for _, e := range added {
		taken[e.Name()] = true
	}
	edit := hdf5.Edit{Attrs: encoded("dict"), Entries: added}
	top := o.Path() == "uns"
	for _, name := range sortedKeys(links) {
		if taken[name] {
			continue
		}
		if top && c.used[name] {
			edit.Remove = append(edit.Remove, name)
			continue
		}
		child, err := o.Open(links[name])
		if err != nil {
			return 0, err
		}
		ref, err := c.modern(child, depth+1)
		if err != nil {
			return 0, err
		}
		edit.Entries = append(edit.Entries, hdf5.NewEntry(name, ref))
	}
	return c.Edit(o, edit)
}

// modernRecords writes the fields of records as arrays of their own.
func (c *copier) modernRecords(o *hdf5.Object, added []hdf5.Entry) (hdf5.Ref, error) {
	d, err := o.Dataset()
	if err != nil {
		return 0, err
	}
	out := added
	taken := map[string]bool{}
	for _, e := range added {
		taken[e.Name()] = true
	}
	fr := &Frame{file: c.src, legacy: d, n: d.Rows()}
	for _, m := range d.Type().Members {
		if taken[m.Name] {
			continue
		}
		raw, err := fr.field(c.ctx, m)
		if err != nil {
			return 0, err
		}
		t, shape := m.Type, []int{d.Rows()}
		if t.Class == hdf5.ClassArray {
			t, shape = t.Base, append(shape, t.Dims...)
		}
		ref, err := c.Dataset(hdf5.DatasetSpec{Type: t, Shape: shape, Attrs: encoded("array")}, raw)
		if err != nil {
			return 0, err
		}
		out = append(out, hdf5.NewEntry(m.Name, ref))
	}
	return c.dict(out)
}

// modernDataset names the encoding of a dataset.
func (c *copier) modernDataset(o *hdf5.Object) (hdf5.Ref, error) {
	d, err := o.Dataset()
	if err != nil {
		return 0, err
	}
	t := d.Type()
	switch {
	case d.Null():
		return c.Edit(o, hdf5.Edit{Attrs: encoded("null")})
	case t.Class == hdf5.ClassCompound:
		return c.Edit(o, hdf5.Edit{Attrs: encoded("rec-array")})
	case t.Text() && len(d.Shape()) == 0, t.Class == hdf5.ClassString && len(d.Shape()) == 1 && d.Rows() == 1:
		// A text was once a list of one text of fixed length.
		s, err := d.ReadStrings(c.ctx, 0, 1)
		if err != nil {
			return 0, err
		}
		return c.Strings(hdf5.DatasetSpec{Attrs: encoded("string")}, s)
	case t.Text():
		return c.Edit(o, hdf5.Edit{Attrs: encoded("string-array")})
	case len(d.Shape()) == 0:
		return c.Edit(o, hdf5.Edit{Attrs: encoded("numeric-scalar")})
	}
	return c.Edit(o, hdf5.Edit{Attrs: encoded("array")})
}

func (c *copier) modernFrameAt(o *hdf5.Object, depth int) (hdf5.Ref, error) {
	fr, err := c.src.openFrame(o)
	if err != nil {
		return 0, err
	}
	return c.modernFrame(fr, nil, fr.columns, depth)
}

// modernFrame writes a frame with columns added, in the order given.
func (c *copier) modernFrame(fr *Frame, added []hdf5.Entry, order []string, depth int) (hdf5.Ref, error) {
	if order == nil {
		order = []string{}
	}
	taken := map[string]bool{}
	for _, e := range added {
		taken[e.Name()] = true
	}
	entries := added
	for _, name := range append([]string{fr.index}, fr.columns...) {
		if taken[name] {
			continue
		}
		var ref hdf5.Ref
		var err error
		if fr.legacy != nil {
			ref, err = c.modernField(fr, name)
		} else {
			ref, err = c.modernColumn(fr, name, depth)
		}
		if err != nil {
			return 0, err
		}
		entries = append(entries, hdf5.NewEntry(name, ref))
	}
	if fr.legacy != nil {
		return c.Group(entries, frameAttrs(fr.index, order))
	}
	return c.Edit(fr.obj, hdf5.Edit{
		Entries: entries,
		Remove:  []string{"__categories"},
		Attrs:   frameAttrs(fr.index, order),
	})
}

// modernField writes a field of records as a column.
func (c *copier) modernField(fr *Frame, name string) (hdf5.Ref, error) {
	column, err := fr.read(name)
	if err != nil {
		return 0, err
	}
	switch column.Kind {
	case KindString:
		return c.texts(column.texts)
	case KindCategorical:
		c.used[name+"_categories"] = true
		return c.categories(Categories{Names: column.Categories, Codes: column.Codes, Ordered: column.Ordered})
	}
	for _, m := range fr.legacy.Type().Members {
		if m.Name == name {
			raw, err := fr.field(c.ctx, m)
			if err != nil {
				return 0, err
			}
			return c.Dataset(hdf5.DatasetSpec{Type: m.Type, Shape: []int{fr.n}, Attrs: encoded("array")}, raw)
		}
	}
	return 0, c.src.errorf("%s has no field %q", fr.obj.Path(), name)
}

// modernColumn writes a column of a frame. Codes that refer to their
// categories become a group of both.
func (c *copier) modernColumn(fr *Frame, name string, depth int) (hdf5.Ref, error) {
	o, err := fr.object(name)
	if err != nil {
		return 0, err
	}
	ref, err := o.Attribute("categories")
	if errors.Is(err, hdf5.ErrNotFound) || o.Kind() == hdf5.KindGroup {
		return c.modern(o, depth+1)
	}
	if err != nil {
		return 0, err
	}
	targets, err := ref.References()
	if err != nil {
		return 0, err
	}
	column, err := fr.read(name) // checks codes against categories
	if err != nil {
		return 0, err
	}
	codes, err := c.Edit(o, hdf5.Edit{Attrs: encoded("array"), RemoveAttrs: []string{"categories"}})
	if err != nil {
		return 0, err
	}
	encoding := "array"
	d, err := targets[0].Dataset()
	if err != nil {
		return 0, err
	}
	if d.Type().Text() {
		encoding = "string-array"
	}
	names, err := c.Edit(targets[0], hdf5.Edit{Attrs: encoded(encoding), RemoveAttrs: []string{"ordered"}})
	if err != nil {
		return 0, err
	}
	return c.Group([]hdf5.Entry{hdf5.NewEntry("categories", names), hdf5.NewEntry("codes", codes)},
		encoded("categorical", hdf5.Attr{Name: "ordered", Value: column.Ordered}))
}
