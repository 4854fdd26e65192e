package engine

import (
	"context"

	"github.com/seed-ab6af24b/troupe/scgpt/model"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

// WarmUpTokens is the length of the cell that [Engine.WarmUp] runs.
const WarmUpTokens = 512

// WarmUp runs the model on one made-up cell, which brings weights and kernels to
// where the first real one would otherwise have to wait for them.
func (e *Engine) WarmUp(ctx context.Context) error {
	n := int32(e.model.VocabSize())
	p := tokens.Packed{Offsets: []int32{0, WarmUpTokens}}
	for i := range int32(WarmUpTokens) {
		p.IDs = append(p.IDs, i%n)
		p.Values = append(p.Values, float32(i%int32(e.ck.Args().NBins)))
	}
	p.IDs[0], p.Values[0] = e.ck.Vocab().CLS(), 0
	_, err := e.model.Forward(ctx, p, model.Options{})
	return err
}
