package anndata

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
)

// A NewColumn is a column to write, one value per row.
type NewColumn struct {
	Name string
	// Values is one of
	//   []string                 written as categories, sorted
	//   Texts                    written as texts
	//   Categories               written as it is
	//   []float32, []float64
	//   []int, []int32, []int64
	//   []bool
	Values any
}

// Texts are values written as texts, not as categories.
type Texts []string

// Categories are values chosen from names: Codes has the number of each row's
// name, -1 where it is missing.
type Categories struct {
	Names   []string
	Codes   []int32
	Ordered bool
}

// A NewArray is an array of float32 to write, one row per cell or gene.
type NewArray struct {
	Name string
	Cols int
	// Data holds the rows one after another. When it is nil, Read fills dst
	// with the rows from from to before to; it is called in order.
	Data []float32
	Read func(ctx context.Context, from, to int, dst []float32) error
}

// Additions is what Copy adds to a file. What has the name of something that
// is there replaces it.
type Additions struct {
	Obs  []NewColumn
	Obsm []NewArray
	// Uns holds values by name: string, bool, numbers, slices of these, nil,
	// and maps of such values.
	Uns map[string]any
	// Deflate compresses what is added, at level 1 to 9; 0 does not.
	Deflate int
}

// Results is a file that Write makes: annotations without a matrix.
type Results struct {
	ObsIndex []string
	Obs      []NewColumn
	VarIndex []string
	Var      []NewColumn
	Obsm     []NewArray
	Varm     []NewArray
	Uns      map[string]any // as in Additions
	Deflate  int
}

// rows returns the number of values of a column, or an error where they cannot
// be written.
func (c NewColumn) rows() (int, error) {
	switch v := c.Values.(type) {
	case []string:
		return len(v), nil
	case Texts:
		return len(v), nil
	case []float32:
		return len(v), nil
	case []float64:
		return len(v), nil
	case []int:
		return len(v), nil
	case []int32:
		return len(v), nil
	case []int64:
		return len(v), nil
	case []bool:
		return len(v), nil
	case Categories:
		seen := map[string]bool{}
		for _, name := range v.Names {
			if seen[name] {
				return 0, fmt.Errorf("category %q stands twice", name)
			}
			seen[name] = true
		}
		for i, code := range v.Codes {
			if code < -1 || int(code) >= len(v.Names) {
				return 0, fmt.Errorf("code %d of row %d, but there are %d categories", code, i, len(v.Names))
			}
		}
		return len(v.Codes), nil
	}
	return 0, fmt.Errorf("values of type %T cannot be written", c.Values)
}

// categorize finds the categories of texts.
func categorize(values []string) Categories {
	names := slices.Clone(values)
	slices.Sort(names)
	names = slices.Compact(names)
	number := make(map[string]int32, len(names))
	for i, name := range names {
		number[name] = int32(i)
	}
	codes := make([]int32, len(values))
	for i, v := range values {
		codes[i] = number[v]
	}
	return Categories{Names: names, Codes: codes}
}

// checkName refuses names that HDF5 would take for paths.
func checkName(what, name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%s: %q cannot be a name in a file", what, name)
	}
	return nil
}

func checkColumns(what string, columns []NewColumn, rows int) error {
	seen := map[string]bool{"_index": true}
	for _, c := range columns {
		if err := checkName(what, c.Name); err != nil {
			return err
		}
		if seen[c.Name] {
			return fmt.Errorf("%s/%s: the name is taken", what, c.Name)
		}
		seen[c.Name] = true
		n, err := c.rows()
		if err != nil {
			return fmt.Errorf("%s/%s: %w", what, c.Name, err)
		}
		if n != rows {
			return fmt.Errorf("%s/%s has %d values, but there are %d rows", what, c.Name, n, rows)
		}
	}
	return nil
}

func checkArrays(what string, arrays []NewArray, rows int) error {
	seen := map[string]bool{}
	for _, a := range arrays {
		if err := checkName(what, a.Name); err != nil {
			return err
		}
		if seen[a.Name] {
			return fmt.Errorf("%s/%s: the name is taken", what, a.Name)
		}
		seen[a.Name] = true
		switch {
		case a.Cols < 0 || (a.Cols > 0 && rows > math.MaxInt64/8/a.Cols):
			return fmt.Errorf("%s/%s has %d rows of %d values", what, a.Name, rows, a.Cols)
		case a.Read == nil && len(a.Data) != rows*a.Cols:
			return fmt.Errorf("%s/%s has %d values, want %d rows of %d", what, a.Name, len(a.Data), rows, a.Cols)
		}
	}
	return nil
}
