package model_test

import (
	"context"
	"fmt"
	"log"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	_ "github.com/seed-ab6af24b/troupe/scgpt/compute/cpu"
	"github.com/seed-ab6af24b/troupe/scgpt/model"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

func Example() {
	ck, err := checkpoint.Open("../../testdata/models/tiny_scgpt")
	if err != nil {
		log.Fatal(err)
	}
	defer ck.Close()
	dev, err := compute.Open("auto", compute.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer dev.Close()
	m, err := model.Load(dev, ck)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	// Two cells: <cls> and two genes, <cls> and one gene.
	cd79a, _ := ck.Vocab().ID("CD79A")
	cd79b, _ := ck.Vocab().ID("CD79B")
	lyz, _ := ck.Vocab().ID("LYZ")
	cls := ck.Vocab().CLS()
	batch := tokens.Packed{
		IDs:     []int32{cls, cd79a, cd79b, cls, lyz},
		Values:  []float32{0, 50, 40, 0, 50},
		Offsets: []int32{0, 3, 5},
	}
	out, err := m.Forward(context.Background(), batch, model.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(out.CellEmbeddings)/m.EmbSize(), "cells of", m.EmbSize(), "numbers")
	for c := range batch.Cells() {
		logits := out.Logits[c*m.Classes() : (c+1)*m.Classes()]
		best := 0
		for i, v := range logits {
			if v > logits[best] {
				best = i
			}
		}
		fmt.Println(ck.Labels()[best])
	}
	// Output:
	// 2 cells of 64 numbers
	// CD19+ B
	// CD14+ Monocyte
}
