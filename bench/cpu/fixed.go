package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/model"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

type fixedResult struct {
	Class  string `json:"class"`
	Tokens int    `json:"tokens"`
	Cells  int    `json:"cells"`
	// CellsPerS and GFLOPS are of the fastest pass; GFLOPS counts what is
	// computed.
	CellsPerS  float64 `json:"cells_per_s"`
	GFLOPS     float64 `json:"gflops"`
	CPUSeconds float64 `json:"cpu_seconds"`
}

// fixed runs the model on random cells of one length.
func fixed(ctx context.Context, args []string) (_ any, err error) {
	f := newFlags("fixed")
	dir := f.String("model", "", "model folder")
	lengths := f.String("tokens", "300,768,1200", "tokens of a cell")
	name, precision := f.String("device", "cpu", "device"), f.String("precision", "", "precision")
	threads, repeat := f.Int("threads", 0, "threads"), f.Int("repeat", 3, "passes, of which the fastest counts")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	dev, err := compute.Open(*name, compute.Options{Precision: compute.Precision(*precision), Threads: *threads})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dev.Close()) }()
	ck, err := checkpoint.Open(*dir)
	if err != nil {
		return nil, err
	}
	a := ck.Args()
	m, err := model.Load(dev, ck)
	if err = errors.Join(err, ck.Close()); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	var results []fixedResult
	for part := range strings.SplitSeq(*lengths, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("--tokens: %q, want numbers of 1 or more", part)
		}
		r := fixedResult{Class: dev.Class(), Tokens: n, Cells: max(1, dev.BatchTokens()/n)}
		batch := randomCells(m.VocabSize(), r.Cells, n)
		best := 0.0
		for i := range *repeat {
			start, before := time.Now(), usage()
			if _, err := m.Forward(ctx, batch, model.Options{}); err != nil {
				return nil, err
			}
			seconds, cpu := time.Since(start).Seconds(), usage().cpu-before.cpu
			if i == 0 || seconds < best {
				best = seconds
			}
			if i == 0 || cpu < r.CPUSeconds {
				r.CPUSeconds = cpu
			}
		}
		r.CellsPerS = float64(r.Cells) / best
		r.GFLOPS = r.CellsPerS * flops(a, n) / 1e9
		results = append(results, r)
	}
	return results, nil
}

// flops is the floating-point work of a cell as the CPU does it: in the first layer
// queries, keys and values are looked up; in the last, only the first token asks,
// and its heads attend to rows of d numbers with weights folded to match.
func flops(a checkpoint.Args, n int) float64 {
	d, h, l, heads := float64(a.EmbSize), float64(a.DHid), float64(n), float64(a.NHeads)
	finish := 2*d*d + 4*d*h // projection, feed-forward
	layer := l*(6*d*d+finish) + 4*l*l*d
	first := l*finish + 4*l*l*d
	last := 2*heads*d*d + 4*l*heads*d + 2*heads*d*d + 4*d*h
	if a.NLayers == 1 {
		return last
	}
	return first + float64(a.NLayers-2)*layer + last
}

func randomCells(vocab, cells, n int) tokens.Packed {
	rng := rand.New(rand.NewPCG(1, 7))
	b := tokens.Packed{Offsets: []int32{0}}
	for range cells {
		for range n {
			b.IDs, b.Values = append(b.IDs, rng.Int32N(int32(vocab-3))), append(b.Values, float32(1+rng.IntN(50)))
		}
		b.Offsets = append(b.Offsets, int32(len(b.IDs)))
	}
	return b
}
