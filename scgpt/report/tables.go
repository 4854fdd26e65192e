package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/seed-ab6af24b/troupe/scgpt/evaluate"
)

// The most lines of a table; what is beyond is said below it.
const (
	maxTypeRows  = 200
	maxConfusion = 60
	maxGenes     = 60
)

// typeRow is a line of the table of cell types.
type typeRow struct {
	kind
	Cells      int
	Share      float64 // of all cells
	Bar        int     // per cent of the greatest number
	Confidence float64
	Unsure     int // cells with a confidence below unsure
	// With a truth:
	True              int
	Precision, Recall float64
}

// unsure is the confidence below which a cell is counted as such.
const unsure = 0.5

// scores compares the labels with the truth.
type scores struct {
	*evaluate.Scores
	Cells int
}

// score compares labels with the truth where that is known. It returns nil where
// it is nowhere, or where there are more values than types can be.
func score(truth, labels []string) *scores {
	var known, given []string
	for i, t := range truth {
		if t != "" {
			known, given = append(known, t), append(given, labels[i])
		}
	}
	s, err := evaluate.Classification(known, given)
	if err != nil {
		return nil
	}
	return &scores{&s, len(known)}
}

// typeRows counts the cells of each type.
func (r *Report) typeRows(kinds []kind, s *scores) []typeRow {
	rows := make([]typeRow, len(kinds))
	at := map[string]int{}
	for i, k := range kinds {
		rows[i].kind = k
		at[k.Name] = i
	}
	greatest := 0
	for i, label := range r.Labels {
		if j, ok := at[label]; ok {
			row := &rows[j]
			row.Cells++
			row.Confidence += float64(r.Confidence[i])
			if r.Confidence[i] < unsure {
				row.Unsure++
			}
			greatest = max(greatest, row.Cells)
		}
	}
	for i := range rows {
		row := &rows[i]
		row.Share = float64(row.Cells) / float64(max(len(r.Labels), 1))
		row.Bar = (100*row.Cells + greatest - 1) / max(greatest, 1)
		if row.Cells > 0 {
			row.Confidence /= float64(row.Cells)
		}
		if s != nil {
			if j, ok := slices.BinarySearch(s.Labels, row.Name); ok {
				row.True, row.Precision, row.Recall = s.PerLabel[j].Support, s.PerLabel[j].Precision, s.PerLabel[j].Recall
			}
		}
	}
	return rows
}

// grid is a table of coloured numbers.
type grid struct {
	Columns []string
	Rows    []gridRow
	// Left says what was left out, "" for nothing.
	Left string
	// Caption is for readers who hear the table.
	Caption string
	Dots    bool
	// Totals says that rows have them.
	Totals bool
}

type gridRow struct {
	Name  string
	Total string
	Cells []gridCell
}

type gridCell struct {
	Text  string
	Class string
	// Title says in words what the cell is.
	Title string
	// Radius is that of a dot in the place of a text, "" for none.
	Radius string
}

// confusion shows how many cells of each true type got which label.
func (s *scores) confusion() *grid {
	order := make([]int, len(s.Labels))
	for i := range order {
		order[i] = i
	}
	// The frequent types first, as in the other tables.
	totals := make([]int, len(order))
	for i, row := range s.Confusion {
		for j, n := range row {
			totals[i] += n
			totals[j] += n
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(totals[b], totals[a]) })
	g := &grid{Totals: true}
	if len(order) > maxConfusion {
		g.Left = fmt.Sprintf("The %d types of the most cells; %d others are left out.", maxConfusion, len(order)-maxConfusion)
		order = order[:maxConfusion]
	}
	for _, i := range order {
		g.Columns = append(g.Columns, s.Labels[i])
		row := gridRow{Name: s.Labels[i], Total: fmt.Sprint(s.PerLabel[i].Support)}
		for _, j := range order {
			n := s.Confusion[i][j]
			share := 0.0
			if s.PerLabel[i].Support > 0 {
				share = float64(n) / float64(s.PerLabel[i].Support)
			}
			c := gridCell{Class: stepClass(share), Title: fmt.Sprintf("%d of %d %s labelled %s (%.0f %%)", n, s.PerLabel[i].Support, s.Labels[i], s.Labels[j], 100*share)}
			if n > 0 {
				c.Text = fmt.Sprint(n)
			}
			if i == j {
				c.Class += " diagonal"
			}
			row.Cells = append(row.Cells, c)
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

// heatMap shows the cosine of each pair of genes. It returns the grid and the
// greatest amount that a cosine of two different genes has.
func (s *Similarity) heatMap() (*grid, float64) {
	n := len(s.Genes)
	greatest := 0.0
	for i := range n {
		for j := range n {
			if i != j {
				greatest = max(greatest, float64(s.Cosine[i*n+j]), -float64(s.Cosine[i*n+j]))
			}
		}
	}
	order := seriate(s.Cosine, n)
	g := &grid{}
	if n > maxGenes {
		g.Left = fmt.Sprintf("The first %d of %d genes.", maxGenes, n)
	}
	for _, i := range order {
		g.Columns = append(g.Columns, s.Genes[i])
		row := gridRow{Name: s.Genes[i]}
		for _, j := range order {
			v := float64(s.Cosine[i*n+j])
			c := gridCell{Text: shortNumber(v), Class: divergingClass(v / max(greatest, 1e-9)), Title: fmt.Sprintf("%s and %s: %.3f", s.Genes[i], s.Genes[j], v)}
			if i == j {
				c = gridCell{Class: "self", Title: s.Genes[i]}
			}
			row.Cells = append(row.Cells, c)
		}
		g.Rows = append(g.Rows, row)
	}
	return g, greatest
}

// shortNumber writes a number between -1 and 1 with two digits and no 0 before
// the point.
func shortNumber(v float64) string {
	text := fmt.Sprintf("%.2f", v)
	switch {
	case text == "0.00" || text == "-0.00":
		return "0"
	case text[0] == '-' && text[1] == '0':
		return "−" + text[2:]
	case text[0] == '-':
		return "−" + text[1:]
	case text[0] == '0':
		return text[1:]
	}
	return text
}

// seriate orders the first genes so that similar ones stand together: the leaves
// of a tree that joins the two groups with the greatest mean similarity until one
// is left, each time the ends together that are most alike.
func seriate(cosine []float32, n int) []int {
	var groups [][]int
	for i := range min(n, maxGenes) {
		groups = append(groups, []int{i})
	}
	at := func(i, j int) float64 { return float64(cosine[i*n+j]) }
	for len(groups) > 1 {
		a, b, best := 0, 1, -2.0
		for i, x := range groups {
			for j := i + 1; j < len(groups); j++ {
				sum := 0.0
				for _, p := range x {
					for _, q := range groups[j] {
						sum += at(p, q)
					}
				}
				if mean := sum / float64(len(x)*len(groups[j])); mean > best {
					a, b, best = i, j, mean
				}
			}
		}
		groups[a] = join(groups[a], groups[b], at)
		groups = slices.Delete(groups, b, b+1)
	}
	return slices.Concat(groups...)
}

// join puts one group after another, either turned around if that brings ends
// together that are more alike.
func join(x, y []int, at func(i, j int) float64) []int {
	turned := func(g []int) []int {
		g = slices.Clone(g)
		slices.Reverse(g)
		return g
	}
	best, like := []int(nil), -2.0
	for _, left := range [][]int{x, turned(x)} {
		for _, right := range [][]int{y, turned(y)} {
			if v := at(left[len(left)-1], right[0]); v > like {
				best, like = slices.Concat(left, right), v
			}
		}
	}
	return best
}
