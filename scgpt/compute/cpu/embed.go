package cpu

import (
	"context"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

func (d *device) Embed(ctx context.Context, dst compute.Tensor, e compute.Embedding) error {
	const op = "Embed"
	if err := compute.CheckEmbed(dst, e); err != nil {
		return err
	}
	if err := d.begin(ctx); err != nil {
		return err
	}
	defer d.end()
	to, err := d.floats(op, "destination", dst)
	if err != nil {
		return err
	}
	row, err := d.tableRows(ctx, op, e)
	if err != nil {
		return err
	}
	var values []float32
	if e.Values != nil {
		if values, err = d.floats(op, "value table", e.Values); err != nil {
			return err
		}
	}
	cols := dst.Cols()
	return d.rows(ctx, dst.Rows(), elementBlock, func(_, from, end int) {
		for t := from; t < end; t++ {
			out := to[t*cols : (t+1)*cols]
			row := row(e.IDs[t])
			switch {
			case values != nil:
				v := int(e.Rows[t])
				d.set.Add(out, row, values[v*cols:(v+1)*cols])
			case e.Scale != nil:
				d.set.Scale(out, row, e.Scale[t])
			default:
				copy(out, row)
			}
		}
	})
}

// tableRows returns a function that returns the row of an id.
func (d *device) tableRows(ctx context.Context, op string, e compute.Embedding) (func(id int32) []float32, error) {
	if p, ok := e.Table.(*projection); ok {
		return p.rowsFor(ctx, d, op, e.IDs)
	}
	table, err := d.floats(op, "table", e.Table)
	if err != nil {
		return nil, err
	}
	cols := e.Table.Cols()
	return func(id int32) []float32 { return table[int(id)*cols : (int(id)+1)*cols] }, nil
}
