package main

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

type knnResult struct {
	Queries    int     `json:"queries"`
	Refs       int     `json:"refs"`
	Cols       int     `json:"cols"`
	K          int     `json:"k"`
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpu_seconds"`
	GFLOPS     float64 `json:"gflops"`
}

// knn searches random rows of length 1.
func knn(ctx context.Context, args []string) (any, error) {
	f := newFlags("knn")
	var r knnResult
	f.IntVar(&r.Queries, "queries", 10_000, "queries")
	f.IntVar(&r.Refs, "refs", 100_000, "references")
	f.IntVar(&r.Cols, "cols", 512, "columns")
	f.IntVar(&r.K, "k", 10, "neighbours")
	repeat := f.Int("repeat", 1, "searches, of which the fastest counts")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	queries, refs := unitRows(1, r.Queries, r.Cols), unitRows(2, r.Refs, r.Cols)
	for i := range *repeat {
		start, before := time.Now(), usage()
		if _, err := neighbors.Search(ctx, queries, refs, r.K, neighbors.Options{}); err != nil {
			return nil, err
		}
		seconds, cpu := time.Since(start).Seconds(), usage().cpu-before.cpu
		if i == 0 || seconds < r.Seconds {
			r.Seconds = seconds
		}
		if i == 0 || cpu < r.CPUSeconds {
			r.CPUSeconds = cpu
		}
	}
	r.GFLOPS = 2 * float64(r.Queries) * float64(r.Refs) * float64(r.Cols) / r.Seconds / 1e9
	return r, nil
}

func unitRows(seed uint64, rows, cols int) neighbors.Matrix {
	rng := rand.New(rand.NewPCG(seed, 1))
	m := neighbors.Matrix{Data: make([]float32, rows*cols), Rows: rows, Cols: cols}
	for i := range rows {
		row := m.Row(i)
		var squares float64
		for j := range row {
			x := rng.NormFloat64()
			row[j] = float32(x)
			squares += x * x
		}
		inverse := float32(1 / math.Sqrt(squares))
		for j := range row {
			row[j] *= inverse
		}
	}
	return m
}
