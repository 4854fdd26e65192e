package model

import (
	"context"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// batchEncoder is the embedding of batch labels. The decoders read it beside
// the token or the cell; the transformer does not.
type batchEncoder struct {
	table  compute.Tensor // LayerNorm of the table, labels × d
	labels int
}

func loadBatchEncoder(l *loader, d int) *batchEncoder {
	const name = "batch_encoder.embedding.weight"
	if !l.has(name) {
		return nil
	}
	table := l.normedTable(name, "batch_encoder.enc_norm", d)
	if l.err != nil {
		return nil
	}
	return &batchEncoder{table: table, labels: table.Rows()}
}

// fold returns a layer for each label: the layer over the first d inputs, with
// what the label contributes through the other d added to its bias. Without
// batch labels (b is nil) there is one, as it stands.
func (b *batchEncoder) fold(l *loader, weight []float32, out, d int, bias compute.Tensor) []linear {
	if l.err != nil {
		return nil
	}
	if b == nil {
		return []linear{{Weight: l.uploadMatrix(out, d, weight), Bias: bias}}
	}
	left, right := split(weight, out, 2*d, d)
	common := l.uploadMatrix(out, d, left)
	if l.err != nil {
		return nil
	}
	s := newScope(context.Background(), l.dev)
	defer s.free()
	rest, err := l.dev.UploadMatrix(out, d, right)
	if err != nil {
		l.fail(err)
		return nil
	}
	defer rest.Free()
	layers := make([]linear, b.labels)
	for k := range layers {
		folded, err := s.keep(s.linear(s.gather(b.table, []int32{int32(k)}), linear{Weight: rest, Bias: bias}, compute.Identity))
		if err != nil {
			l.fail(err)
			return nil
		}
		l.handles = append(l.handles, folded)
		layers[k] = linear{Weight: common, Bias: folded}
	}
	return layers
}

// width is how many inputs a decoder has for d of the token or cell.
func (b *batchEncoder) width(d int) int {
	if b == nil {
		return d
	}
	return 2 * d
}
