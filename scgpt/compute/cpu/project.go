package cpu

import (
	"context"
	"sync/atomic"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

var _ compute.Projector = (*device)(nil)

// projection is a product of which the rows that were asked for are there: a data
// set has a third of a vocabulary's genes, and a row is three times as wide as what
// it is computed from.
type projection struct {
	dev   *device
	table compute.Tensor
	w     compute.Matrix
	// rows has nil for what is not computed yet. The holder of the device's
	// turn owns what it points to; it is nil itself once it is freed.
	rows atomic.Pointer[[][]float32]
}

func (p *projection) Rows() int { return p.table.Rows() }
func (p *projection) Cols() int { return p.w.Out() }
func (p *projection) Free()     { p.rows.Store(nil) }

func (d *device) Project(table compute.Tensor, w compute.Matrix) (compute.Tensor, error) {
	if err := compute.CheckProject(table, w); err != nil {
		return nil, err
	}
	if d.closed.Load() {
		return nil, errClosed
	}
	const op = "Project"
	if _, err := d.floats(op, "table", table); err != nil {
		return nil, err
	}
	if _, err := d.panels(op, w); err != nil {
		return nil, err
	}
	p := &projection{dev: d, table: table, w: w}
	rows := make([][]float32, table.Rows())
	p.rows.Store(&rows)
	return p, nil
}

// rowsFor computes the rows of ids that are not there yet and returns a function
// that returns a row. The caller holds the device's turn.
func (p *projection) rowsFor(ctx context.Context, d *device, op string, ids []int32) (func(id int32) []float32, error) {
	if p.dev != d {
		return nil, foreign(op, "table")
	}
	held := p.rows.Load()
	if held == nil {
		return nil, foreign(op, "table")
	}
	rows := *held
	row := func(id int32) []float32 { return rows[id] }
	missing := p.missing(rows, ids)
	if len(missing) == 0 {
		return row, nil
	}
	table, err := d.floats(op, "projected table", p.table)
	if err != nil {
		return nil, err
	}
	l, err := d.layer(op, compute.Linear{Weight: p.w})
	if err != nil {
		return nil, err
	}
	words, stride := d.set.Words(l.in), d.factorStride(l.in)
	err = d.rows(ctx, len(missing), rowBlock, func(thread, from, to int) {
		n := to - from
		buf := scratch{d.scratchFor(thread, n*(l.in+stride))}
		src := buf.carve(n * l.in)
		for i, id := range missing[from:to] {
			copy(src[i*l.in:(i+1)*l.in], table[int(id)*l.in:])
		}
		a, lda := d.factors(&buf, src, l.in, n, l.in)
		out := alignedFloats(n * l.padded)
		d.product(n, words, l.padded, a, lda, l.panels, out, l.padded, nil, compute.Identity)
		for i, id := range missing[from:to] {
			rows[id] = out[i*l.padded : i*l.padded+l.cols : i*l.padded+l.cols]
		}
	})
	return row, err
}

// missing returns the ids whose rows are not there, each once.
func (p *projection) missing(rows [][]float32, ids []int32) []int32 {
	var missing []int32
	seen := make(map[int32]struct{})
	for _, id := range ids {
		if rows[id] != nil {
			continue
		}
		if _, ok := seen[id]; !ok {
			seen[id] = struct{}{}
			missing = append(missing, id)
		}
	}
	return missing
}
