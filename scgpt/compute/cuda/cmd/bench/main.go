//go:build cuda

// Command bench measures the full-size model with random weights on a GPU. It
// prints one JSON object a line: cells per second at fixed lengths and on the
// cells of a file, the time of each operation on the GPU, and the share of the
// time in which the GPU is idle.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/checkpointtest"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/compute/cuda"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/model"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

type settings struct {
	device, precisions, lengths, lengthsFile, file, vocab string
	seconds                                               float64
	inFlight                                              int
	profile                                               bool
}

func main() {
	var s settings
	flag.StringVar(&s.device, "device", "cuda:0", "device, with options as in cuda:0,batch=65536; or several, separated by semicolons")
	flag.StringVar(&s.precisions, "precisions", "fp32,tf32,bf16", "precisions to measure")
	flag.StringVar(&s.lengths, "lengths", "300,768,1200", "tokens of a cell")
	flag.StringVar(&s.lengthsFile, "lengths-file", "", "JSON list with the tokens of the cells of a file")
	flag.StringVar(&s.file, "file", "", "an .h5ad file to embed")
	flag.StringVar(&s.vocab, "vocab", "", "vocab.json of that file's model")
	flag.Float64Var(&s.seconds, "seconds", 2, "how long each measurement takes")
	flag.IntVar(&s.inFlight, "in-flight", 2, "forward passes at a time")
	flag.BoolVar(&s.profile, "profile", true, "also measure each operation")
	verbose := flag.Bool("v", false, "log the choice of algorithms")
	flag.Parse()
	if *verbose {
		slog.SetLogLoggerLevel(slog.LevelDebug)
	}
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(s settings) (err error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	shape := checkpointtest.FullSize(60_697)
	var vocab []byte
	if s.vocab != "" {
		if vocab, err = os.ReadFile(s.vocab); err != nil {
			return err
		}
		var ids map[string]int
		if err := json.Unmarshal(vocab, &ids); err != nil {
			return fmt.Errorf("%s: %w", s.vocab, err)
		}
		for _, special := range []string{"<pad>", "<cls>", "<eoc>"} {
			ids[special] = 0
		}
		shape.Vocab = len(ids)
	}
	if err := shape.Write(dir); err != nil {
		return err
	}
	if vocab != nil {
		if err := os.WriteFile(filepath.Join(dir, "vocab.json"), vocab, 0o644); err != nil {
			return err
		}
	}
	for name := range strings.SplitSeq(s.device, ";") {
		for p := range strings.SplitSeq(s.precisions, ",") {
			s.device = name
			if err := measure(s, dir, shape, compute.Precision(p)); err != nil {
				return fmt.Errorf("%s: %s: %w", name, p, err)
			}
		}
	}
	return nil
}

func emit(values map[string]any) {
	line, err := json.Marshal(values)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

func measure(s settings, dir string, shape checkpointtest.Model, p compute.Precision) (err error) {
	opening := time.Now()
	dev, err := compute.Open(s.device, compute.Options{Precision: p})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dev.Close()) }()
	opened := time.Since(opening)
	ck, err := checkpoint.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ck.Close()) }()
	loading := time.Now()
	m, err := model.Load(dev, ck)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	about, err := dev.(compute.Describer).Describe()
	if err != nil {
		return err
	}
	emit(map[string]any{
		"measurement": "open", "class": dev.Class(), "batch_tokens": dev.BatchTokens(), "open_s": opened.Seconds(),
		"load_s": time.Since(loading).Seconds(), "device": about.Name, "driver": about.Driver, "runtime": about.Runtime,
		"memory_used_gb": float64(about.MemoryUsed) / 1e9,
	})
	for text := range strings.SplitSeq(s.lengths, ",") {
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		if err := forward(s, m, dev, shape, text, randomCells(shape.Vocab, fill(dev.BatchTokens(), []int{n}))); err != nil {
			return err
		}
	}
	if s.lengthsFile != "" {
		data, err := os.ReadFile(s.lengthsFile)
		if err != nil {
			return err
		}
		var lengths []int
		if err := json.Unmarshal(data, &lengths); err != nil {
			return fmt.Errorf("%s: %w", s.lengthsFile, err)
		}
		if err := forward(s, m, dev, shape, s.lengthsFile, randomCells(shape.Vocab, fill(dev.BatchTokens(), lengths))); err != nil {
			return err
		}
	}
	if s.file != "" {
		return embedFile(s, dir, dev)
	}
	return nil
}

// fill repeats lengths up to a number of tokens.
func fill(tokens int, lengths []int) (filled []int) {
	for sum := 0; ; {
		for _, n := range lengths {
			if sum+n > tokens && sum > 0 {
				return filled
			}
			filled = append(filled, n)
			sum += n
		}
	}
}

func randomCells(vocab int, lengths []int) tokens.Packed {
	rng := rand.New(rand.NewPCG(1, 7))
	b := tokens.Packed{Offsets: []int32{0}}
	for _, n := range lengths {
		for i := range n {
			id, value := int32(vocab-2), float32(0)
			if i > 0 {
				id, value = rng.Int32N(int32(vocab-3)), float32(1+rng.IntN(50))
			}
			b.IDs, b.Values = append(b.IDs, id), append(b.Values, value)
		}
		b.Offsets = append(b.Offsets, int32(len(b.IDs)))
	}
	return b
}

// flops is the work of a batch, counted as if the last layer were whole.
func flops(shape checkpointtest.Model, b tokens.Packed) float64 {
	d, hidden := float64(shape.Width), float64(shape.Hidden)
	sum := 0.0
	for c := range b.Cells() {
		l := float64(b.Offsets[c+1] - b.Offsets[c])
		sum += float64(shape.Layers) * (l*(8*d*d+4*d*hidden) + 4*l*l*d)
	}
	return sum
}

func forward(s settings, m *model.Model, dev compute.Device, shape checkpointtest.Model, length string, batch tokens.Packed) error {
	ctx := context.Background()
	for range 3 {
		if _, err := m.Forward(ctx, batch, model.Options{}); err != nil {
			return err
		}
	}
	var done atomic.Int64
	var first error
	var once sync.Once
	var wg sync.WaitGroup
	start := time.Now()
	until := start.Add(time.Duration(s.seconds * float64(time.Second)))
	for range s.inFlight {
		wg.Go(func() {
			for time.Now().Before(until) {
				if _, err := m.Forward(ctx, batch, model.Options{}); err != nil {
					once.Do(func() { first = err })
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if first != nil {
		return first
	}
	seconds := time.Since(start).Seconds()
	perSecond := float64(done.Load()) / seconds
	values := map[string]any{
		"measurement": "forward", "class": dev.Class(), "tokens": length, "cells": batch.Cells(), "batch_tokens": batch.Tokens(), "in_flight": s.inFlight,
		"batches": done.Load(), "seconds": seconds, "cells_per_s": perSecond * float64(batch.Cells()), "tflops": perSecond * flops(shape, batch) / 1e12,
	}
	if s.profile {
		busy, ops, err := profiled(dev, func() error {
			_, err := m.Forward(ctx, batch, model.Options{})
			return err
		})
		if err != nil {
			return err
		}
		values["ops_ms"] = ops
		values["busy_ms"] = busy.Seconds() * 1e3
		values["batch_ms"] = 1e3 / perSecond
	}
	emit(values)
	return nil
}

// profiled returns the time on the GPU, all of it and by operation.
func profiled(dev compute.Device, f func() error) (busy time.Duration, ops map[string]string, err error) {
	p := dev.(cuda.Profiler)
	if err := p.StartProfile(); err != nil {
		return 0, nil, err
	}
	if err := f(); err != nil {
		return 0, nil, err
	}
	times, err := p.StopProfile()
	if err != nil {
		return 0, nil, err
	}
	ops = make(map[string]string)
	for op, t := range times {
		busy += t.Time
		ops[op] = fmt.Sprintf("%d calls, %.3f ms", t.Calls, t.Time.Seconds()*1e3)
	}
	return busy, ops, nil
}

func embedFile(s settings, dir string, dev compute.Device) (err error) {
	eng, err := engine.Load(dir, dev)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	for round := range 3 {
		cells, err := eng.Open(s.file, engine.Options{Task: engine.Embed})
		if err != nil {
			return err
		}
		var emb *engine.Embeddings
		var seconds float64
		busy, ops, err := profiled(dev, func() (err error) {
			start := time.Now()
			emb, err = cells.Embed(context.Background(), 0, cells.Len(), nil)
			seconds = time.Since(start).Seconds()
			return err
		})
		if err := errors.Join(err, cells.Close()); err != nil {
			return err
		}
		if round == 0 {
			continue // the first one warms up
		}
		emit(map[string]any{
			"measurement": "file", "class": dev.Class(), "file": s.file, "cells": cells.Len(), "tokens": emb.Tokens, "seconds": seconds,
			"cells_per_s": float64(cells.Len()) / seconds, "gpu_busy_s": busy.Seconds(), "gpu_idle_share": 1 - busy.Seconds()/seconds, "ops_ms": ops,
		})
	}
	return nil
}
