package model

import (
	"fmt"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// classifier is scGPT's ClsDecoder over the un-normalised cell embedding, and
// with LeakyReLU its discriminator of batches.
type classifier struct {
	hidden []linear
	norms  []compute.Norm
	out    linear
	act    compute.Activation
}

func loadClassifier(l *loader, name string, d int, act compute.Activation) *classifier {
	shape := l.shape(name + ".out_layer.weight")
	if len(shape) != 2 {
		return nil
	}
	c := &classifier{act: act}
	// Each hidden layer is three modules: linear, activation, norm.
	for i := 0; l.has(fmt.Sprintf("%s._decoder.%d.weight", name, 3*i)); i++ {
		c.hidden = append(c.hidden, l.linear(fmt.Sprintf("%s._decoder.%d", name, 3*i), d, d))
		c.norms = append(c.norms, l.norm(fmt.Sprintf("%s._decoder.%d", name, 3*i+2), d))
	}
	c.out = l.linear(name+".out_layer", shape[0], d)
	return c
}

// run returns the logits of the cells, cells × classes.
func (c *classifier) run(s *scope, cells compute.Tensor) compute.Tensor {
	x := cells
	for i := range c.hidden {
		x = s.linear(x, c.hidden[i], c.act)
		s.do(func() error { return s.dev.AddLayerNorm(s.ctx, x, x, nil, c.norms[i]) })
	}
	return s.linear(x, c.out, compute.Identity)
}
