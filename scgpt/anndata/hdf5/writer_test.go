package hdf5

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// write makes a file and opens it again.
func write(t testing.TB, build func(w *Writer) (Ref, error)) *File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "w.h5")
	out, err := os.Create(path)
	require.NoError(t, err)
	w := Create(out)
	root, err := build(w)
	require.NoError(t, err)
	require.NoError(t, w.Finish(root))
	require.NoError(t, out.Close())
	return openTest(t, path)
}

func TestWriteDatasets(t *testing.T) {
	t.Parallel()
	type element struct {
		name  string
		spec  DatasetSpec
		bytes int
	}
	var elements []element
	for _, typ := range []*Datatype{TypeInt8, TypeInt16, TypeInt32, TypeInt64, TypeUint8, TypeFloat32, TypeFloat64} {
		for _, shape := range [][]int{nil, {0}, {1}, {1000}, {100, 3}, {0, 4}, {4, 0}, {5, 6, 7}} {
			for _, deflate := range []int{0, 1, 9} {
				n := typ.Size
				for _, x := range shape {
					n *= x
				}
				// Small chunks: the tree has two levels, the last chunk sticks out.
				spec := DatasetSpec{Type: typ, Shape: shape, Deflate: deflate, ChunkBytes: 7 * typ.Size,
					Attrs: []Attr{{Name: "note", Value: "é"}, {Name: "n", Value: []int64{1, -2}}, {Name: "yes", Value: true}}}
				elements = append(elements, element{fmt.Sprintf("%v%v_%d", typ, shape, deflate), spec, n})
			}
		}
	}
	data := make([]byte, 8*1000)
	for i := range data {
		data[i] = byte(i * 31)
	}
	f := write(t, func(w *Writer) (Ref, error) {
		var entries []Entry
		for _, e := range elements {
			ref, err := w.Dataset(e.spec, data[:e.bytes])
			require.NoError(t, err, e.name)
			entries = append(entries, NewEntry(strings.ReplaceAll(e.name, "/", "_"), ref))
		}
		return w.Group(entries, nil)
	})
	root, err := f.Root()
	require.NoError(t, err)
	links, err := root.Links()
	require.NoError(t, err)
	require.Len(t, links, len(elements))
	for i, e := range elements {
		require.Equal(t, e.name, links[i].Name)
		o, err := root.Open(links[i])
		require.NoError(t, err)
		d, err := o.Dataset()
		require.NoError(t, err, e.name)
		require.Equal(t, e.spec.Type.String(), d.Type().String())
		require.Equal(t, append([]int{}, e.spec.Shape...), d.Shape())
		got, err := d.ReadBytes(t.Context(), 0, d.Rows())
		require.NoError(t, err, e.name)
		require.Equal(t, data[:e.bytes], got, e.name)
		note, err := o.Attribute("note")
		require.NoError(t, err)
		text, err := note.Text()
		require.NoError(t, err)
		require.Equal(t, "é", text)
		yes, err := o.Attribute("yes")
		require.NoError(t, err)
		require.True(t, yes.Type.Bool())
	}
}

func TestWriteTexts(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 70_000 {
		many = append(many, fmt.Sprintf("cell %d é", i))
	}
	many[7] = ""
	many[8] = strings.Repeat("long", 50_000)
	cases := map[string][]string{"none": {}, "one": {"é"}, "empty": {"", ""}, "many": many}
	f := write(t, func(w *Writer) (Ref, error) {
		var entries []Entry
		for name, v := range cases {
			for _, deflate := range []int{0, 5} {
				ref, err := w.Strings(DatasetSpec{Shape: []int{len(v)}, Deflate: deflate}, v)
				require.NoError(t, err)
				entries = append(entries, NewEntry(fmt.Sprint(name, deflate), ref))
			}
		}
		ref, err := w.Strings(DatasetSpec{}, []string{"a single text"})
		require.NoError(t, err)
		return w.Group(append(entries, NewEntry("scalar", ref)), []Attr{{Name: "list", Value: many[:1000]}})
	})
	for name, want := range cases {
		for _, deflate := range []int{0, 5} {
			d := dataset(t, f, fmt.Sprint(name, deflate))
			got, err := d.ReadStrings(t.Context(), 0, d.Rows())
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	}
	root, err := f.Root()
	require.NoError(t, err)
	a, err := root.Attribute("list")
	require.NoError(t, err)
	list, err := a.Strings()
	require.NoError(t, err)
	require.Equal(t, many[:1000], list)
}

func TestWriteErrors(t *testing.T) {
	t.Parallel()
	for name, build := range map[string]func(w *Writer) error{
		"zero byte in a text": func(w *Writer) error { _, err := w.Strings(DatasetSpec{}, []string{"a\x00b"}); return err },
		"not UTF-8":           func(w *Writer) error { _, err := w.Strings(DatasetSpec{}, []string{"\xff"}); return err },
		"too few bytes": func(w *Writer) error {
			_, err := w.Dataset(DatasetSpec{Type: TypeInt32, Shape: []int{2}}, make([]byte, 7))
			return err
		},
		"too many bytes": func(w *Writer) error {
			_, err := w.Dataset(DatasetSpec{Type: TypeInt32, Shape: []int{2}}, make([]byte, 9))
			return err
		},
		"negative shape": func(w *Writer) error {
			_, err := w.Dataset(DatasetSpec{Type: TypeInt32, Shape: []int{-1}}, nil)
			return err
		},
		"attribute too long": func(w *Writer) error {
			_, err := w.Group(nil, []Attr{{Name: "a", Value: make([]string, 5000)}})
			return err
		},
		"attribute of a strange type": func(w *Writer) error { _, err := w.Group(nil, []Attr{{Name: "a", Value: 1i}}); return err },
		"entry without a name":        func(w *Writer) error { _, err := w.Group([]Entry{NewEntry("", 0)}, nil); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := os.Create(filepath.Join(t.TempDir(), "w.h5"))
			require.NoError(t, err)
			w := Create(out)
			require.Error(t, build(w))
			require.Error(t, w.Finish(0), "the error stays")
			require.NoError(t, out.Close())
		})
	}
}

// Every object of every file gets a new header; nothing else may change.
func TestEditKeepsEverything(t *testing.T) {
	t.Parallel()
	var files []string
	for _, pattern := range []string{"testdata/classic.h5", "testdata/shared.h5", "testdata/implicit.h5", "testdata/btree2.h5",
		"testdata/extensible_array.h5", "testdata/paged_space.h5", filepath.Join(h5adDir, "[^b]*.h5ad")} {
		more, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, more, pattern)
		files = append(files, more...)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			src := openTest(t, path)
			want, err := everything(t.Context(), src)
			require.NoError(t, err)

			dst := filepath.Join(t.TempDir(), "edited.h5")
			out, err := os.Create(dst)
			require.NoError(t, err)
			w, err := Extend(t.Context(), out, src)
			require.NoError(t, err)
			root, err := src.Root()
			require.NoError(t, err)
			require.NoError(t, w.Finish(editAll(t, w, root, map[uint64]Ref{})))
			require.NoError(t, out.Close())

			f := openTest(t, dst)
			got, err := everything(t.Context(), f)
			require.NoError(t, err)
			touched := 0
			maps.DeleteFunc(got, func(path, _ string) bool {
				mine := strings.HasSuffix(path, "@touched") || path == "new" || strings.HasSuffix(path, "/new")
				if mine {
					touched++
				}
				return mine
			})
			require.Positive(t, touched)
			require.Equal(t, want, got)
		})
	}
}

func editAll(t *testing.T, w *Writer, o *Object, done map[uint64]Ref) Ref {
	t.Helper()
	if ref, ok := done[o.Address()]; ok {
		return ref
	}
	done[o.Address()] = Ref(o.Address()) // for groups that contain themselves
	e := Edit{Attrs: []Attr{{Name: "touched", Value: int64(1)}}}
	if o.Kind() == KindGroup {
		links, err := o.Links()
		require.NoError(t, err)
		for _, l := range links {
			if l.Kind != HardLink {
				continue
			}
			child, err := o.Open(l)
			require.NoError(t, err)
			e.Entries = append(e.Entries, NewEntry(l.Name, editAll(t, w, child, done)))
		}
		ref, err := w.Dataset(DatasetSpec{Type: TypeInt8, Shape: []int{3}, Deflate: 1}, []byte{1, 2, 3})
		require.NoError(t, err)
		e.Entries = append(e.Entries, NewEntry("new", ref))
	}
	ref, err := w.Edit(o, e)
	require.NoError(t, err)
	done[o.Address()] = ref
	return ref
}

// Order of creation is kept where a group tracks it, soft links stay.
func TestEditKeepsLinks(t *testing.T) {
	t.Parallel()
	src := openTest(t, "testdata/dense.h5")
	root, err := src.Root()
	require.NoError(t, err)
	many, err := src.Object("many")
	require.NoError(t, err)
	dst := filepath.Join(t.TempDir(), "edited.h5")
	out, err := os.Create(dst)
	require.NoError(t, err)
	w, err := Extend(t.Context(), out, src)
	require.NoError(t, err)
	replaced := fmt.Sprintf("column number %05d with a rather long name", 5)
	ref, err := w.Edit(many, Edit{Entries: []Entry{NewEntry("added", 0), NewEntry(replaced, 0)}, Remove: []string{fmt.Sprintf("column number %05d with a rather long name", 6)}})
	require.NoError(t, err)
	ref, err = w.Edit(root, Edit{Entries: []Entry{NewEntry("many", ref)}})
	require.NoError(t, err)
	require.NoError(t, w.Finish(ref))
	require.NoError(t, out.Close())

	f := openTest(t, dst)
	many, err = f.Object("many")
	require.NoError(t, err)
	links, err := many.Links()
	require.NoError(t, err)
	require.Len(t, links, 300)
	orders := map[string]int64{}
	for _, l := range links {
		orders[l.Name] = l.order
		if l.Name != "added" && l.Name != replaced {
			require.Equal(t, SoftLink, l.Kind)
		}
	}
	require.EqualValues(t, 5, orders[replaced])
	require.EqualValues(t, 300, orders["added"])
	require.EqualValues(t, 17, orders[fmt.Sprintf("column number %05d with a rather long name", 17)])
	require.Equal(t, count(4), int64s(t, dataset(t, f, "soft")))

	attrs, err := src.Object("attrs")
	require.NoError(t, err)
	_, err = w.Edit(attrs, Edit{Attrs: []Attr{{Name: "x", Value: true}}})
	require.ErrorContains(t, err, `attrs: hdf5: attribute "big" takes 80045 bytes; at most 65535 fit`)
}
