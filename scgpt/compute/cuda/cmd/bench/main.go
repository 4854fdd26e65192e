//go:build cuda

// Command bench measures the full-size model with random weights on a GPU. It
// prints one JSON object a line: cells per second at fixed lengths and on the
// cells of a file, the time of each operation on the GPU, and the share of the
// time in which the GPU is idle.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
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
	device, precisions, lengths, lengthsFile, file, vocab, keep string
	seconds                                                     float64
	inFlight                                                    int
	profile                                                     bool
}

func main() {
	var s settings
	flag.StringVar(&s.device, "device", "cuda:0", "device, with options as in cuda:0,batch=65536; or several, separated by semicolons")
	flag.StringVar(&s.precisions, "precisions", "fp32,tf32,bf16", "precisions to measure; none with -keep-model alone")
	flag.StringVar(&s.lengths, "lengths", "300,768,1200", "tokens of a cell")
	flag.StringVar(&s.lengthsFile, "lengths-file", "", "JSON list with the tokens of the cells of a file")
	flag.StringVar(&s.file, "file", "", "an .h5ad file to embed")
	flag.StringVar(&s.vocab, "vocab", "", "vocab.json of that file's model")
	flag.StringVar(&s.keep, "keep-model", "", "folder to write the random model to, and leave it there")
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
	dir := s.keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "bench"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
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
			if p == "" {
				continue
			}
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
		if err := forward(s, m, dev, shape, text, randomCells(shape.Vocab, slices.Repeat([]int{n}, max(1, dev.BatchTokens()/n)))); err != nil {
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
		if err := forward(s, m, dev, shape, s.lengthsFile, randomCells(shape.Vocab, lengths)); err != nil {
			return err
		}
	}
	if s.file != "" {
		return embedFile(s, dir, dev)
	}
	return nil
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

// cut returns the cells in batches of at most so many tokens.
func cut(cells tokens.Packed, limit int) (batches []tokens.Packed) {
	var b tokens.Packed
	for i := range cells.Cells() {
		if n := int(cells.Offsets[i+1] - cells.Offsets[i]); b.Cells() > 0 && b.Tokens()+n > limit {
			batches, b = append(batches, b), tokens.Packed{}
		}
		b.AddCell(&cells, i)
	}
	return append(batches, b)
}

// forward measures passes over cells that lie in memory, all of them again and
// again.
func forward(s settings, m *model.Model, dev compute.Device, shape checkpointtest.Model, length string, cells tokens.Packed) error {
	ctx := context.Background()
	batches := cut(cells, dev.BatchTokens())
	all := func() error {
		for _, b := range batches {
			if _, err := m.Forward(ctx, b, model.Options{}); err != nil {
				return err
			}
		}
		return nil
	}
	for range 3 {
		if err := all(); err != nil {
			return err
		}
	}
	var done atomic.Int64
	var first error
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := time.Now()
	until := start.Add(time.Duration(s.seconds * float64(time.Second)))
	next := 0
	// take returns the next batch. A round that was begun is ended, so that all
	// cells count alike.
	take := func() (i int, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if first != nil || next == 0 && time.Now().After(until) {
			return 0, false
		}
		i = next
		next = (next + 1) % len(batches)
		return i, true
	}
	for range s.inFlight {
		wg.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				if _, err := m.Forward(ctx, batches[i], model.Options{}); err != nil {
					mu.Lock()
					first = cmp.Or(first, err)
					mu.Unlock()
					return
				}
				done.Add(int64(batches[i].Cells()))
			}
		})
	}
	wg.Wait()
	if first != nil {
		return first
	}
	seconds := time.Since(start).Seconds()
	rounds := float64(done.Load()) / float64(cells.Cells())
	values := map[string]any{
		"measurement": "forward", "class": dev.Class(), "tokens": length, "cells": cells.Cells(), "all_tokens": cells.Tokens(), "batches": len(batches),
		"in_flight": s.inFlight, "rounds": rounds, "seconds": seconds, "cells_per_s": float64(done.Load()) / seconds,
		"tflops": rounds * flops(shape, cells) / seconds / 1e12,
	}
	if s.profile {
		p, err := profiled(dev, all)
		if err != nil {
			return err
		}
		values["ops_ms"] = operations(p)
		values["busy_ms"] = milliseconds(p.Busy())
		values["round_ms"] = 1e3 * seconds / rounds
	}
	emit(values)
	return nil
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }

func operations(p *cuda.Profile) map[string]string {
	ops := make(map[string]string)
	for op, t := range p.Ops {
		ops[op] = fmt.Sprintf("%d calls, %.3f ms", t.Calls, milliseconds(t.Time))
	}
	return ops
}

func profiled(dev compute.Device, f func() error) (*cuda.Profile, error) {
	p := dev.(cuda.Profiler)
	if err := p.StartProfile(); err != nil {
		return nil, err
	}
	if err := f(); err != nil {
		return nil, err
	}
	return p.StopProfile()
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
		var took time.Duration
		p, err := profiled(dev, func() (err error) {
			start := time.Now()
			emb, err = cells.Embed(context.Background(), 0, cells.Len(), nil)
			took = time.Since(start)
			return err
		})
		if err := errors.Join(err, cells.Close()); err != nil {
			return err
		}
		emit(map[string]any{
			"measurement": "file", "class": dev.Class(), "file": s.file, "round": round, "cells": cells.Len(), "tokens": emb.Tokens, "seconds": took.Seconds(),
			"cells_per_s": float64(cells.Len()) / took.Seconds(), "gpu_busy_ms": milliseconds(p.Busy()), "gpu_idle_share": 1 - p.Busy().Seconds()/took.Seconds(),
			"idle_ms": map[string]float64{
				"before": milliseconds(p.Before), "launches": milliseconds(p.Launches), "waits": milliseconds(p.Waits),
				"after": milliseconds(took - p.Before - p.Launches - p.Waits - p.Busy()),
			},
			"ops_ms": operations(p),
		})
	}
	return nil
}
