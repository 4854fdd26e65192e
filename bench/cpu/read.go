package main

import (
	"context"
	"errors"
	"time"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
)

type readResult struct {
	File       string  `json:"file"`
	Rows       int     `json:"rows"`
	Values     int64   `json:"values"`
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpu_seconds"`
	PeakRSSMB  float64 `json:"peak_rss_mb"`
}

// blockRows is how many rows the engine reads at a time.
const blockRows = 256

// read reads X of files in blocks of rows.
func read(ctx context.Context, args []string) (any, error) {
	f := newFlags("read")
	repeat := f.Int("repeat", 1, "times to read each, of which the fastest counts")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	var results []readResult
	for _, path := range f.Args() {
		var best readResult
		for i := range *repeat {
			start, before := time.Now(), usage()
			r, err := readFile(ctx, path)
			if err != nil {
				return nil, err
			}
			r.Seconds, r.CPUSeconds = time.Since(start).Seconds(), usage().cpu-before.cpu
			if i > 0 {
				r.Seconds, r.CPUSeconds = min(r.Seconds, best.Seconds), min(r.CPUSeconds, best.CPUSeconds)
			}
			best = r
		}
		best.PeakRSSMB = usage().rssMB
		results = append(results, best)
	}
	return results, nil
}

func readFile(ctx context.Context, path string) (r readResult, err error) {
	file, err := anndata.Open(path)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	x, err := file.X()
	if err != nil {
		return r, err
	}
	r = readResult{File: path, Rows: file.NObs()}
	for block, err := range x.Blocks(ctx, 0, r.Rows, blockRows) {
		if err != nil {
			return r, err
		}
		r.Values += int64(len(block.Values))
	}
	return r, nil
}
