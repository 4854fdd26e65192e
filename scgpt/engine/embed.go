package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed-ab6af24b/troupe/scgpt/model"
)

// Embed runs the model over the cells from to to-1. While the device works on
// one batch (on [model.Model.InFlight] of them, where it queues work), the next
// one is read and tokenised; no more is held, but for one batch in the making for
// each domain of the model and some cells that are tokenised side by side. progress, if
// not nil, is called with the number of cells done, from the calling goroutine.
//
// It stops soon after ctx ends and then returns the context's cause.
func (c *Cells) Embed(ctx context.Context, from, to int, progress func(done int)) (*Embeddings, error) {
	if from < 0 || to > c.Len() || from > to {
		return nil, &Error{c.file.Path(), fmt.Sprintf("cells %d to %d are asked for, but there are %d", from, to, c.Len())}
	}
	if c.unchosen != nil {
		return nil, c.unchosen
	}
	m := c.engine.model
	out := &Embeddings{From: from, To: to, Dim: m.EmbSize(), Classes: m.Classes()}
	out.Vectors = make([]float32, (to-from)*out.Dim)
	out.Logits = make([]float32, (to-from)*out.Classes)

	ctx, cancel := context.WithCancelCause(ctx)
	batches := make(chan batch, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(batches)
		if err := c.read(ctx, from, to, batches); err != nil {
			cancel(err)
		}
	}()
	// The reader must be gone before the file may be closed.
	defer func() { cancel(nil); <-ended }()

	// Passes run beside one another where the device wants that, and are
	// taken in their order.
	var running []*pass
	defer func() {
		cancel(nil)
		for _, p := range running {
			<-p.done
		}
	}()
	done := 0
	finish := func() error {
		p := running[0]
		<-p.done
		running = running[1:]
		if p.err != nil {
			return p.err
		}
		out.take(p.batch, p.out)
		if done += len(p.batch.cells); progress != nil {
			progress(done)
		}
		return nil
	}
	for b := range batches {
		running = append(running, start(ctx, m, b))
		if len(running) == m.InFlight() {
			if err := finish(); err != nil {
				return nil, err
			}
		}
	}
	for len(running) > 0 {
		if err := finish(); err != nil {
			return nil, err
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	slices.Sort(out.Empty)
	return out, nil
}

// pass is a forward pass under way.
type pass struct {
	batch batch
	done  chan struct{}
	out   *model.Output
	err   error
}

func start(ctx context.Context, m *model.Model, b batch) *pass {
	p := &pass{batch: b, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.out, p.err = m.Forward(ctx, b.packed, model.Options{Domain: b.domain})
	}()
	return p
}

// take puts the results of a batch where they belong.
func (e *Embeddings) take(b batch, res *model.Output) {
	for i, cell := range b.cells {
		row := cell - e.From
		copy(e.Vectors[row*e.Dim:(row+1)*e.Dim], res.CellEmbeddings[i*e.Dim:])
		copy(e.Logits[row*e.Classes:(row+1)*e.Classes], res.Logits[i*e.Classes:])
	}
	e.Tokens += int64(b.packed.Tokens())
	e.Truncated += b.truncated
	e.Empty = append(e.Empty, b.empty...)
}
