package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"time"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	_ "github.com/seed-ab6af24b/troupe/scgpt/compute/cpu"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
)

// embedResult is what embed prints. Seconds is the fastest of the repeats:
// reading, tokenising and computing, but not loading the model.
type embedResult struct {
	Cells       int       `json:"cells"`
	Tokens      int64     `json:"tokens"`
	Seconds     float64   `json:"seconds"`
	CellsPerS   float64   `json:"cells_per_s"`
	LoadSeconds float64   `json:"load_seconds"`
	Class       string    `json:"class"`
	All         []float64 `json:"all"`
	// CPUSeconds is the least processor time of a repeat, 0 where it cannot
	// be told. It is less disturbed by what else runs on the machine.
	CPUSeconds float64 `json:"cpu_seconds"`
	PeakRSSMB  float64 `json:"peak_rss_mb"`
}

func embed(ctx context.Context, args []string) (_ any, err error) {
	f := newFlags("embed")
	model, data := f.String("model", "", "model folder"), f.String("data", "", ".h5ad file")
	cells := f.Int("cells", 0, "cells to embed; 0: all")
	repeat := f.Int("repeat", 1, "times to embed them")
	slice := f.Int("slice", 0, "cells at a time, so that results do not pile up in memory; 0: all")
	name, precision := f.String("device", "cpu", "device"), f.String("precision", "", "precision")
	threads := f.Int("threads", 0, "threads")
	layouts := f.String("layouts", "", "folder of weights that processes share")
	profile := f.String("cpuprofile", "", "file to write a CPU profile to")
	var opts engine.Options
	f.IntVar(&opts.MaxLength, "max-length", 0, "most tokens of a cell")
	if err := f.Parse(args); err != nil {
		return nil, err
	}

	start := time.Now()
	dev, err := compute.Open(*name, compute.Options{Precision: compute.Precision(*precision), Threads: *threads})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dev.Close()) }()
	eng, err := engine.LoadMapped(*model, dev, *layouts, func(err error) { fmt.Fprintln(os.Stderr, err) })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	res := embedResult{LoadSeconds: time.Since(start).Seconds(), Class: eng.Class()}

	c, err := eng.Open(*data, opts)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	res.Cells = c.Len()
	if *cells > 0 {
		res.Cells = min(res.Cells, *cells)
	}
	if *profile != "" {
		file, err := os.Create(*profile)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return nil, err
		}
		defer pprof.StopCPUProfile()
	}
	for i := range *repeat {
		start, before := time.Now(), usage()
		res.Tokens = 0
		step := res.Cells
		if *slice > 0 {
			step = *slice
		}
		for from := 0; from < res.Cells; from += step {
			emb, err := c.Embed(ctx, from, min(from+step, res.Cells), nil)
			if err != nil {
				return nil, err
			}
			res.Tokens += emb.Tokens
		}
		seconds, used := time.Since(start).Seconds(), usage().cpu-before.cpu
		res.All = append(res.All, seconds)
		if i == 0 || seconds < res.Seconds {
			res.Seconds = seconds
		}
		if i == 0 || used < res.CPUSeconds {
			res.CPUSeconds = used
		}
	}
	res.CellsPerS = float64(res.Cells) / res.Seconds
	res.PeakRSSMB = usage().rssMB
	return res, nil
}
