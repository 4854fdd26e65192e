package model

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// flops is the floating-point work of a cell of n tokens when all rows of
// all layers are computed.
func flops(m *Model, n int) float64 {
	d, hidden := float64(m.args.EmbSize), float64(m.args.DHid)
	l := float64(n)
	return float64(m.args.NLayers) * (l*(8*d*d+4*d*hidden) + 4*l*l*d)
}

// BenchmarkForward reports cells and floating-point operations per second, the
// latter counted as if the first and the last layer were whole.
func BenchmarkForward(b *testing.B) {
	for _, size := range []string{"tiny", "full"} {
		for _, threads := range []int{1, 2} {
			dev := openDevice(b, "cpu", compute.Options{Threads: threads})
			ck := openCheckpoint(b, "tiny_scgpt")
			if size == "full" {
				ck = fullSize.open(b)
			}
			m := loadModel(b, dev, ck)
			for _, length := range []int{300, 768, 1200} {
				b.Run(fmt.Sprintf("%s/threads=%d/tokens=%d", size, threads, length), func(b *testing.B) {
					cells := max(1, m.BatchTokens()/length)
					lengths := make([]int, cells)
					for i := range lengths {
						lengths[i] = length
					}
					batch := randomCells(1, m.VocabSize(), lengths...)
					for b.Loop() {
						_, err := m.Forward(b.Context(), batch, Options{})
						require.NoError(b, err)
					}
					perSecond := float64(cells) * float64(b.N) / b.Elapsed().Seconds()
					b.ReportMetric(perSecond, "cells/s")
					b.ReportMetric(perSecond*flops(m, length)/1e9, "GF/s")
				})
			}
		}
	}
}

// BenchmarkLoad lays out a model of the whole-human shape and vocabulary.
func BenchmarkLoad(b *testing.B) {
	human := fullSize
	human.Vocab = 60_697
	ck := human.open(b)
	dev := openDevice(b, "cpu", compute.Options{})
	for b.Loop() {
		m, err := Load(dev, ck)
		require.NoError(b, err)
		require.NoError(b, m.Close())
	}
}
