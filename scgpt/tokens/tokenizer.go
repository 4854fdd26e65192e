package tokens

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// CellInfo says what became of a cell.
type CellInfo struct {
	// Genes is the number of genes of the vocabulary that the cell expresses
	// (with IncludeZeroGenes: that the matrix has), before the cap.
	Genes int
	// Tokens is the number of tokens appended, <cls> included.
	Tokens int
	// Truncated says whether the cap left genes out: Genes+1 > Tokens.
	Truncated bool
	// Empty says that the cell expresses no gene of the vocabulary. Its tokens
	// are <cls> (and zeros, with IncludeZeroGenes), and what the model makes of
	// them says nothing about the cell.
	Empty bool
}

// Tokenizer turns cells into tokens. It keeps scratch memory, so it serves one
// goroutine at a time; [Tokenizer.Clone] gives another for a second one.
type Tokenizer struct {
	genes   *GeneMap
	options Options
	// columns are those with an id, for IncludeZeroGenes.
	columns []int32
	binner  *binner

	// Scratch: one cell's genes in gene order.
	order  []cellValue
	ids    []int32
	values []float32
	digits []float32
	ranked []rank
	// nonzero is ranked without zeros.
	nonzero []rank
	chosen  []int
	random  rand.PCG
}

// cellValue is an entry of a row whose indices are not sorted.
type cellValue struct {
	column int32
	value  float32
}

// New returns a tokenizer for the matrix that genes was matched for.
func New(genes *GeneMap, o Options) (*Tokenizer, error) {
	if genes == nil {
		return nil, errors.New("no gene map")
	}
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{genes: genes, options: o}
	if o.IncludeZeroGenes {
		for column, id := range genes.IDs {
			if id >= 0 {
				t.columns = append(t.columns, int32(column))
			}
		}
	}
	t.binner = newBinner(o.NBins)
	return t, nil
}

// Clone returns a tokenizer that does the same with scratch memory of its own.
func (t *Tokenizer) Clone() *Tokenizer {
	return &Tokenizer{genes: t.genes, options: t.options, columns: t.columns, binner: newBinner(t.options.NBins)}
}

// Options returns the tokenizer's options with defaults filled in.
func (t *Tokenizer) Options() Options { return t.options }

// Append appends one cell to dst: row is its row in the matrix, which seeds
// draw by and errors name; indices and values are the row's entries as in CSR,
// indices being columns of the matrix, each at most once, in any order. Genes
// that are not in the vocabulary do not count at all, as if the matrix did not
// have them.
//
// A value that is NaN, infinite or (unless allowed) negative, and an index
// outside the matrix, is a [CellError]; then dst is as it was before. A cell
// without expressed genes is no error: see CellInfo.Empty.
func (t *Tokenizer) Append(dst *Packed, row int, indices []int32, values []float32) (CellInfo, error) {
	if err := t.gather(row, indices, values); err != nil {
		return CellInfo{}, err
	}
	info := CellInfo{Genes: len(t.ids), Empty: true}
	for _, v := range t.values {
		if v != 0 {
			info.Empty = false
			break
		}
	}
	t.bin(row)
	keep := min(len(t.ids), t.options.MaxLength-1)
	if len(dst.IDs) > math.MaxInt32-keep-1 {
		return CellInfo{}, fmt.Errorf("cell %d: a batch of more than %d tokens", row, math.MaxInt32)
	}
	info.Tokens = keep + 1
	info.Truncated = keep < len(t.ids)

	if len(dst.Offsets) == 0 {
		dst.Offsets = append(dst.Offsets, 0)
	}
	dst.IDs = append(dst.IDs, t.options.CLS)
	dst.Values = append(dst.Values, t.options.CLSValue)
	if info.Truncated {
		for _, i := range t.choose(row, keep) {
			dst.IDs = append(dst.IDs, t.ids[i])
			dst.Values = append(dst.Values, t.digits[i])
		}
	} else {
		dst.IDs = append(dst.IDs, t.ids...)
		dst.Values = append(dst.Values, t.digits...)
	}
	dst.Offsets = append(dst.Offsets, int32(len(dst.IDs)))
	return info, nil
}

// gather puts the row's genes of the vocabulary into ids and values, in gene
// order.
func (t *Tokenizer) gather(row int, indices []int32, values []float32) error {
	if len(indices) != len(values) {
		return &CellError{Row: row, Reason: fmt.Sprintf("%d indices for %d values", len(indices), len(values))}
	}
	sorted := true
	last := int32(-1)
	for _, column := range indices {
		if column < 0 || int(column) >= len(t.genes.IDs) {
			return &CellError{Row: row, Reason: fmt.Sprintf("index %d, but there are %d genes", column, len(t.genes.IDs))}
		}
		sorted = sorted && column > last
		last = column
	}
	if !sorted {
		return t.gatherUnsorted(row, indices, values)
	}
	t.ids, t.values = t.ids[:0], t.values[:0]
	next := 0 // in columns, for zeros
	for k, column := range indices {
		id, v := t.genes.IDs[column], values[k]
		if id < 0 {
			continue
		}
		if !finite(v) || v < 0 && !t.options.AllowNegative {
			return t.badValue(row, column, v)
		}
		if v == 0 {
			continue
		}
		if t.options.IncludeZeroGenes {
			for ; t.columns[next] < column; next++ {
				t.add(t.genes.IDs[t.columns[next]], 0)
			}
			next++
		}
		t.add(id, v)
	}
	if t.options.IncludeZeroGenes {
		for _, column := range t.columns[next:] {
			t.add(t.genes.IDs[column], 0)
		}
	}
	return nil
}

func (t *Tokenizer) add(id int32, value float32) {
	t.ids = append(t.ids, id)
	t.values = append(t.values, value)
}

// gatherUnsorted sorts the row first. A column that is there twice is refused:
// whether to add or to choose is not for us to say.
func (t *Tokenizer) gatherUnsorted(row int, indices []int32, values []float32) error {
	t.order = t.order[:0]
	for k, column := range indices {
		t.order = append(t.order, cellValue{column, values[k]})
	}
	slices.SortFunc(t.order, func(a, b cellValue) int { return int(a.column) - int(b.column) })
	columns := make([]int32, len(t.order))
	sorted := make([]float32, len(t.order))
	for k, e := range t.order {
		if k > 0 && e.column == columns[k-1] {
			return &CellError{Row: row, Reason: fmt.Sprintf("gene %q (column %d) has two values", t.name(e.column), e.column)}
		}
		columns[k], sorted[k] = e.column, e.value
	}
	return t.gather(row, columns, sorted)
}

func (t *Tokenizer) badValue(row int, column int32, v float32) error {
	right := "a finite number would be right"
	if v < 0 && finite(v) {
		right = "expression is 0 or more: counts, or their logarithm, not scaled values"
	}
	return &CellError{Row: row, Reason: fmt.Sprintf("gene %q (column %d) has the value %v; %s", t.name(column), column, v, right)}
}

func (t *Tokenizer) name(column int32) string {
	if int(column) < len(t.genes.Names) {
		return t.genes.Names[column]
	}
	return ""
}

// bin ranks the values and fills digits.
func (t *Tokenizer) bin(row int) {
	t.ranked, t.nonzero = t.ranked[:0], t.nonzero[:0]
	t.digits = slices.Grow(t.digits[:0], len(t.values))[:len(t.values)]
	for i, v := range t.values {
		t.ranked = append(t.ranked, newRank(v, i))
		t.digits[i] = 0
	}
	sortRanks(t.ranked)
	nonzero := t.ranked
	if t.options.IncludeZeroGenes {
		for _, r := range t.ranked {
			if r.value() != 0 {
				t.nonzero = append(t.nonzero, r)
			}
		}
		nonzero = t.nonzero
	}
	var draw draws
	switch t.options.Ties {
	case TiesMid:
		draw.fixed = 0.5
	case TiesSeeded:
		reseed(&t.random, t.options.Seed, row, forTies)
		draw.random = &t.random
	}
	t.binner.bin(t.digits, nonzero, draw)
}
