package hdf5

import (
	"fmt"
	"strings"
)

// maxSoftLinks is how many soft links one path may pass.
const maxSoftLinks = 16

// A Kind says what an object is.
type Kind int

// The kinds of objects.
const (
	KindGroup Kind = iota
	KindDataset
	KindDatatype
)

// An Object is a group, a dataset or a named datatype.
type Object struct {
	file *File
	path string
	hdr  *header
}

// Root returns the root group.
func (f *File) Root() (*Object, error) {
	o, err := f.objectAt(f.rootAddr, "")
	return o, f.locate("", err)
}

// Object returns the object at a path such as "obs/cell_type", following soft
// links. An object that does not exist gives ErrNotFound.
func (f *File) Object(path string) (*Object, error) {
	o, err := f.Root()
	if err != nil {
		return nil, err
	}
	return o.Object(path)
}

func (f *File) objectAt(addr uint64, path string) (*Object, error) {
	h, err := f.readHeader(addr)
	if err != nil {
		return nil, err
	}
	return &Object{file: f, path: path, hdr: h}, nil
}

// Path returns the path by which the object was reached, without a leading
// slash; empty for the root.
func (o *Object) Path() string { return o.path }

// Address identifies the object within its file.
func (o *Object) Address() uint64 { return o.hdr.addr }

// File returns the file that the object is in.
func (o *Object) File() *File { return o.file }

// Kind tells groups, datasets and named datatypes apart.
func (o *Object) Kind() Kind {
	switch {
	case o.hdr.has(msgLayout):
		return KindDataset
	case o.hdr.has(msgDatatype) && !o.hdr.has(msgSymbolTable, msgLinkInfo):
		return KindDatatype
	}
	return KindGroup
}

func (o *Object) locate(err error) error { return o.file.locate(o.path, err) }

// Attributes returns the attributes in the order of the file.
func (o *Object) Attributes() ([]*Attribute, error) {
	as, err := o.file.attributes(o.hdr)
	for _, a := range as {
		a.object = o.path
	}
	return as, o.locate(err)
}

// Attribute returns the attribute of that name, or ErrNotFound.
func (o *Object) Attribute(name string) (*Attribute, error) {
	as, err := o.Attributes()
	if err != nil {
		return nil, err
	}
	for _, a := range as {
		if a.Name == name {
			return a, nil
		}
	}
	return nil, fmt.Errorf("%s: %s: attribute %q: %w", o.file.name, o.path, name, ErrNotFound)
}

// Links returns the entries of a group in the order of the file, of which
// symbol tables are sorted by name. A dataset has none.
func (o *Object) Links() ([]Link, error) {
	ls, err := o.file.links(o.hdr)
	return ls, o.locate(err)
}

// Open returns the object that an entry of this group names.
func (o *Object) Open(l Link) (*Object, error) {
	budget := maxSoftLinks
	return o.open(l, &budget)
}

// open takes every soft link that it follows from the budget.
func (o *Object) open(l Link, budget *int) (*Object, error) {
	path := join(o.path, l.Name)
	switch l.Kind {
	case HardLink:
		child, err := o.file.objectAt(l.addr, path)
		return child, o.file.locate(path, err)
	case SoftLink:
		if *budget--; *budget < 0 {
			return nil, o.file.locate(path, corrupt("more than %d soft links on the way", maxSoftLinks))
		}
		from := o
		if strings.HasPrefix(l.Target, "/") {
			var err error
			if from, err = o.file.Root(); err != nil {
				return nil, err
			}
		}
		target, err := from.find(l.Target, budget)
		if err != nil {
			return nil, err
		}
		return &Object{file: o.file, path: path, hdr: target.hdr}, nil
	}
	return nil, o.file.locate(path, unsupported("a link out of the file"))
}

// Object returns the object at a path below this group, following soft links,
// or ErrNotFound.
func (o *Object) Object(path string) (*Object, error) {
	budget := maxSoftLinks
	return o.find(path, &budget)
}

func (o *Object) find(path string, budget *int) (*Object, error) {
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." {
			continue
		}
		ls, err := o.Links()
		if err != nil {
			return nil, err
		}
		var found *Object
		for _, l := range ls {
			if l.Name == name {
				if found, err = o.open(l, budget); err != nil {
					return nil, err
				}
				break
			}
		}
		if found == nil {
			return nil, fmt.Errorf("%s: %s: %w", o.file.name, join(o.path, name), ErrNotFound)
		}
		o = found
	}
	return o, nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "/" + name
}
