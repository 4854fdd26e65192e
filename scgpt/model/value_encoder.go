package model

import (
	"context"
	"math"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// maxValue is where the continuous encoder clamps its input.
const maxValue = 512

// valueEncoder turns a token's value into the second part of its embedding.
type valueEncoder struct {
	style string

	// table has the rows of the inputs first, first+1, … for the styles
	// continuous (first = -2: padding, mask and the bins) and category
	// (first = 0).
	table compute.Tensor
	first int

	// The network of style continuous.
	hidden, out linear
	norm        compute.Norm
}

func loadValueEncoder(l *loader, args checkpoint.Args) valueEncoder {
	d := args.EmbSize
	v := valueEncoder{style: args.InputEmbStyle}
	switch v.style {
	case checkpoint.Scaling:
	case checkpoint.Category:
		v.table = l.normedTable("value_encoder.embedding.weight", "value_encoder.enc_norm", d)
	case checkpoint.Continuous:
		v.hidden = l.linear("value_encoder.linear1", d, 1)
		v.out = l.linear("value_encoder.linear2", d, d)
		v.norm = l.norm("value_encoder.norm", d)
		if l.err != nil {
			return v
		}
		v.first = -2
		var inputs []float32
		for x := v.first; x < args.NBins; x++ {
			inputs = append(inputs, float32(x))
		}
		table, err := v.encode(context.Background(), l.dev, inputs)
		if err != nil {
			l.fail(err)
			return v
		}
		v.table = table
		l.handles = append(l.handles, table)
	default:
		l.fail(invalidf("args", "input_emb_style %q; known: %s, %s, %s", v.style, checkpoint.Continuous, checkpoint.Category, checkpoint.Scaling))
	}
	return v
}

// encode runs the continuous network on some inputs, one row for each.
func (v *valueEncoder) encode(ctx context.Context, dev compute.Device, inputs []float32) (_ compute.Tensor, err error) {
	s := newScope(ctx, dev)
	defer s.free()
	clamped := make([]float32, len(inputs))
	for i, x := range inputs {
		clamped[i] = min(x, maxValue)
	}
	x := s.upload(len(inputs), 1, clamped)
	h := s.linear(x, v.hidden, compute.ReLU)
	out := s.linear(h, v.out, compute.Identity)
	s.do(func() error { return dev.AddLayerNorm(ctx, out, out, nil, v.norm) })
	return s.keep(out)
}

// rows returns a table and the row in it of each value. Values that the
// prepared table lacks, which are not integers or beyond the bins, are
// encoded into a table of this batch's own.
func (v *valueEncoder) rows(s *scope, values []float32) (table compute.Tensor, rows []int32, err error) {
	rows = make([]int32, len(values))
	n := v.table.Rows()
	prepared := true
	for i, x := range values {
		r := float64(x) - float64(v.first)
		if r < 0 || r >= float64(n) || r != math.Trunc(r) {
			prepared = false
			break
		}
		rows[i] = int32(r)
	}
	if prepared {
		return v.table, rows, nil
	}
	var inputs []float32
	seen := make(map[float32]int32)
	for i, x := range values {
		r, ok := seen[x]
		if !ok {
			r = int32(len(inputs))
			seen[x] = r
			inputs = append(inputs, x)
		}
		rows[i] = r
	}
	if table, err = v.encode(s.ctx, s.dev, inputs); err != nil {
		return nil, nil, err
	}
	s.handles = append(s.handles, table)
	return table, rows, nil
}

// check reports a value that the encoder cannot take.
func (v *valueEncoder) check(values []float32) error {
	for i, x := range values {
		if x != x || math.IsInf(float64(x), 0) {
			return invalidf("batch", "values[%d] = %v, want a finite number", i, x)
		}
		if v.style == checkpoint.Category && (x < 0 || int(x) >= v.table.Rows() || x != float32(int(x))) {
			return invalidf("batch", "values[%d] = %v, but the value table has the rows 0 to %d", i, x, v.table.Rows()-1)
		}
	}
	return nil
}
