package report

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
)

// plot is what the page's script draws: the data that go into it as JSON.
type plot struct {
	Cells []string `json:"cells"`
	// Labels and Truth hold numbers of Kinds, 65535 for none; Confidence is
	// from 0 to 65535. All are texts as in layout.
	Kinds      []kind   `json:"kinds"`
	Labels     string   `json:"labels"`
	Confidence string   `json:"confidence"`
	Truth      string   `json:"truth,omitempty"`
	TruthKey   string   `json:"truthKey,omitempty"`
	Columns    []colour `json:"columns,omitempty"`
	Layouts    []layout `json:"layouts"`
	Palette    []string `json:"palette"`
	Neutral    string   `json:"neutral"`
	Ramp       []string `json:"ramp"`
}

// colour is a column of obs by which cells can be coloured.
type colour struct {
	Name   string `json:"name"`
	Kinds  []kind `json:"kinds"`
	Values string `json:"values"`
}

// kind is a cell type, or another value that cells have in common.
type kind struct {
	Name string `json:"name"`
	// Colour is its number in the palette, -1 for the neutral one, and Marker
	// that of its shape.
	Colour int `json:"colour"`
	Marker int `json:"marker"`
}

// none is the number of no kind.
const none = math.MaxUint16

// unassigned is the label of cells that no label fits.
const unassigned = "unassigned"

// kindsOf gives colours to names.
func kindsOf(names []string) []kind {
	kinds := make([]kind, len(names))
	used := 0
	for i, name := range names {
		if name == unassigned {
			kinds[i] = kind{name, -1, 0}
			continue
		}
		kinds[i] = kind{name, used % len(palette), used / len(palette) % markers}
		used++
	}
	return kinds
}

// byCount lists the values of columns, those of the most cells of the first
// column first, and of equal numbers in order; unassigned is last. Empty ones
// are left out.
func byCount(first []string, others ...[]string) []string {
	counts := map[string]int{}
	for _, v := range first {
		counts[v]++
	}
	for _, o := range others {
		for _, v := range o {
			counts[v] += 0
		}
	}
	delete(counts, "")
	last := func(name string) int {
		if name == unassigned {
			return 1
		}
		return 0
	}
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(last(a), last(b)), cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
}

// numbersOf gives each chosen cell the number of its value among names.
func numbersOf(values []string, cells []int, names []string) []uint16 {
	number := make(map[string]uint16, len(names))
	for i, name := range names[:min(len(names), none)] {
		number[name] = uint16(i)
	}
	out := make([]uint16, len(cells))
	for i, c := range cells {
		n, ok := number[values[c]]
		if !ok {
			n = none
		}
		out[i] = n
	}
	return out
}

// newPlot lays out the cells. names are those of the types.
func (r *Report) newPlot(ctx context.Context, names []string) (*plot, error) {
	cells := Drawn(len(r.Cells))
	p := &plot{
		Kinds: kindsOf(names), Labels: encode(numbersOf(r.Labels, cells, names)),
		Cells: make([]string, len(cells)), Palette: palette, Neutral: neutral, Ramp: viridis,
	}
	confidence := make([]uint16, len(cells))
	for i, c := range cells {
		p.Cells[i] = r.Cells[c]
		confidence[i] = uint16(math.Round(float64(r.Confidence[c]) * math.MaxUint16))
	}
	p.Confidence = encode(confidence)
	if r.Truth != nil {
		p.Truth, p.TruthKey = encode(numbersOf(r.Truth, cells, names)), cmp.Or(r.TruthKey, "truth")
	}
	for _, c := range r.Columns {
		values := byCount(c.Values)
		p.Columns = append(p.Columns, colour{c.Name, kindsOf(values), encode(numbersOf(c.Values, cells, values))})
	}
	var err error
	p.Layouts, err = layouts(ctx, r.Embedding, r.Threads)
	return p, err
}
