package anndata

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// elements writes the elements of the AnnData format, each with the
// attributes that name its encoding.
type elements struct {
	*hdf5.Writer
	ctx     context.Context
	deflate int
}

// Encodings and their versions. Texts are "string-array" and not the
// "nullable-string-array" of anndata 0.13, which still reads the former and
// older releases do not read the latter.
var versions = map[string]string{
	"anndata":        "0.1.0",
	"raw":            "0.1.0",
	"dict":           "0.1.0",
	"dataframe":      "0.2.0",
	"array":          "0.2.0",
	"string-array":   "0.2.0",
	"rec-array":      "0.2.0",
	"categorical":    "0.2.0",
	"csr_matrix":     "0.1.0",
	"csc_matrix":     "0.1.0",
	"string":         "0.2.0",
	"numeric-scalar": "0.2.0",
	"null":           "0.1.0",
}

// encoded returns the attributes of an encoding.
func encoded(name string, more ...hdf5.Attr) []hdf5.Attr {
	return append([]hdf5.Attr{
		{Name: "encoding-type", Value: name},
		{Name: "encoding-version", Value: versions[name]},
	}, more...)
}

func (e *elements) spec(t *hdf5.Datatype, encoding string, shape ...int) hdf5.DatasetSpec {
	return hdf5.DatasetSpec{Type: t, Shape: shape, Deflate: e.deflate, Attrs: encoded(encoding)}
}

// dict writes a mapping.
func (e *elements) dict(entries []hdf5.Entry) (hdf5.Ref, error) {
	return e.Group(entries, encoded("dict"))
}

// texts writes a list of texts.
func (e *elements) texts(values []string) (hdf5.Ref, error) {
	return e.Strings(e.spec(nil, "string-array", len(values)), values)
}

// numbers writes a list of numbers or booleans.
func (e *elements) numbers(t *hdf5.Datatype, n int, put func(b []byte, i int) []byte) (hdf5.Ref, error) {
	const step = 1 << 16
	d, err := e.NewDataset(e.spec(t, "array", n))
	if err != nil {
		return 0, err
	}
	var buf []byte
	for from := 0; from < n; from += step {
		if err := e.ctx.Err(); err != nil {
			return 0, err
		}
		buf = buf[:0]
		for i := from; i < min(n, from+step); i++ {
			buf = put(buf, i)
		}
		if _, err := d.Write(buf); err != nil {
			return 0, err
		}
	}
	return d.Close()
}

// list writes a slice, as a column or as a value of uns.
func (e *elements) list(values any) (hdf5.Ref, error) {
	le := binary.LittleEndian
	switch v := values.(type) {
	case []string:
		return e.texts(v)
	case Texts:
		return e.texts(v)
	case []float32:
		return e.numbers(hdf5.TypeFloat32, len(v), func(b []byte, i int) []byte { return le.AppendUint32(b, math.Float32bits(v[i])) })
	case []float64:
		return e.numbers(hdf5.TypeFloat64, len(v), func(b []byte, i int) []byte { return le.AppendUint64(b, math.Float64bits(v[i])) })
	case []int:
		return e.numbers(hdf5.TypeInt64, len(v), func(b []byte, i int) []byte { return le.AppendUint64(b, uint64(v[i])) })
	case []int64:
		return e.numbers(hdf5.TypeInt64, len(v), func(b []byte, i int) []byte { return le.AppendUint64(b, uint64(v[i])) })
	case []int32:
		return e.numbers(hdf5.TypeInt32, len(v), func(b []byte, i int) []byte { return le.AppendUint32(b, uint32(v[i])) })
	case []bool:
		return e.numbers(hdf5.TypeBool, len(v), func(b []byte, i int) []byte {
			if v[i] {
				return append(b, 1)
			}
			return append(b, 0)
		})
	}
	return 0, fmt.Errorf("values of type %T cannot be written", values)
}

// column writes the values of a column.
func (e *elements) column(values any) (hdf5.Ref, error) {
	switch v := values.(type) {
	case []string:
		return e.categories(categorize(v))
	case Categories:
		return e.categories(v)
	}
	return e.list(values)
}

// categories writes codes, as narrow as they can be, and names.
func (e *elements) categories(c Categories) (hdf5.Ref, error) {
	names, err := e.texts(c.Names)
	if err != nil {
		return 0, err
	}
	t := hdf5.TypeInt32
	put := func(b []byte, i int) []byte { return binary.LittleEndian.AppendUint32(b, uint32(c.Codes[i])) }
	switch {
	case len(c.Names) <= math.MaxInt8:
		t = hdf5.TypeInt8
		put = func(b []byte, i int) []byte { return append(b, byte(c.Codes[i])) }
	case len(c.Names) <= math.MaxInt16:
		t = hdf5.TypeInt16
		put = func(b []byte, i int) []byte { return binary.LittleEndian.AppendUint16(b, uint16(c.Codes[i])) }
	}
	codes, err := e.numbers(t, len(c.Codes), put)
	if err != nil {
		return 0, err
	}
	return e.Group([]hdf5.Entry{hdf5.NewEntry("categories", names), hdf5.NewEntry("codes", codes)},
		encoded("categorical", hdf5.Attr{Name: "ordered", Value: c.Ordered}))
}

// array writes an array of rows.
func (e *elements) array(a NewArray, rows int) (hdf5.Ref, error) {
	d, err := e.NewDataset(e.spec(hdf5.TypeFloat32, "array", rows, a.Cols))
	if err != nil {
		return 0, err
	}
	step := max(1, (1<<18)/max(1, a.Cols))
	var values []float32
	var buf []byte
	for from := 0; from < rows && a.Cols > 0; from += step {
		if err := e.ctx.Err(); err != nil {
			return 0, err
		}
		to := min(rows, from+step)
		part := a.Data
		if part != nil {
			part = part[from*a.Cols : to*a.Cols]
		} else {
			if values == nil {
				values = make([]float32, step*a.Cols)
			}
			part = values[:(to-from)*a.Cols]
			if err := a.Read(e.ctx, from, to, part); err != nil {
				return 0, fmt.Errorf("%s: rows %d to %d: %w", a.Name, from, to, err)
			}
		}
		buf = buf[:0]
		for _, v := range part {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
		}
		if _, err := d.Write(buf); err != nil {
			return 0, err
		}
	}
	return d.Close()
}

// frame writes a table.
func (e *elements) frame(index []string, columns []NewColumn) (hdf5.Ref, error) {
	names, err := e.texts(index)
	if err != nil {
		return 0, err
	}
	entries := []hdf5.Entry{hdf5.NewEntry("_index", names)}
	order := []string{}
	for _, c := range columns {
		ref, err := e.column(c.Values)
		if err != nil {
			return 0, fmt.Errorf("column %q: %w", c.Name, err)
		}
		entries = append(entries, hdf5.NewEntry(c.Name, ref))
		order = append(order, c.Name)
	}
	return e.Group(entries, frameAttrs("_index", order))
}

func frameAttrs(index string, order []string) []hdf5.Attr {
	return encoded("dataframe", hdf5.Attr{Name: "_index", Value: index}, hdf5.Attr{Name: "column-order", Value: order})
}

// value writes a value of uns.
func (e *elements) value(v any, depth int) (hdf5.Ref, error) {
	if depth > maxUnsDepth {
		return 0, fmt.Errorf("maps are nested more than %d deep", maxUnsDepth)
	}
	scalar := func(t *hdf5.Datatype, bits uint64) (hdf5.Ref, error) {
		b := binary.LittleEndian.AppendUint64(nil, bits)
		return e.Dataset(hdf5.DatasetSpec{Type: t, Attrs: encoded("numeric-scalar")}, b[:t.Size])
	}
	switch v := v.(type) {
	case nil:
		return e.Dataset(hdf5.DatasetSpec{Type: hdf5.TypeFloat32, Null: true, Attrs: encoded("null")}, nil)
	case string:
		return e.Strings(hdf5.DatasetSpec{Attrs: encoded("string")}, []string{v})
	case bool:
		if v {
			return scalar(hdf5.TypeBool, 1)
		}
		return scalar(hdf5.TypeBool, 0)
	case int:
		return scalar(hdf5.TypeInt64, uint64(v))
	case int32:
		return scalar(hdf5.TypeInt64, uint64(v))
	case int64:
		return scalar(hdf5.TypeInt64, uint64(v))
	case float32:
		return scalar(hdf5.TypeFloat32, uint64(math.Float32bits(v)))
	case float64:
		return scalar(hdf5.TypeFloat64, math.Float64bits(v))
	case map[string]any:
		entries, err := e.values(v, depth+1)
		if err != nil {
			return 0, err
		}
		return e.dict(entries)
	}
	return e.list(v)
}

// values writes the values of a map, in the order of their names.
func (e *elements) values(m map[string]any, depth int) ([]hdf5.Entry, error) {
	var entries []hdf5.Entry
	for _, name := range sortedKeys(m) {
		if err := checkName("uns", name); err != nil {
			return nil, err
		}
		ref, err := e.value(m[name], depth)
		if err != nil {
			return nil, fmt.Errorf("uns/%s: %w", name, err)
		}
		entries = append(entries, hdf5.NewEntry(name, ref))
	}
	return entries, nil
}

// arrays writes arrays.
func (e *elements) arrays(list []NewArray, rows int) ([]hdf5.Entry, error) {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b NewArray) int { return strings.Compare(a.Name, b.Name) })
	var entries []hdf5.Entry
	for _, a := range list {
		ref, err := e.array(a, rows)
		if err != nil {
			return nil, err
		}
		entries = append(entries, hdf5.NewEntry(a.Name, ref))
	}
	return entries, nil
}
