package model

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/compute/computetest"
)

// How near the embeddings of a model of the published size come to those of
// the reference device, which computes in float64: the smallest cosine.
func TestPrecision(t *testing.T) {
	t.Parallel()
	if raceDetector {
		t.Skip("arithmetic on one goroutine: the race detector would only slow it down")
	}
	size := fullSize
	size.Vocab = 400
	ck := size.open(t)
	judge := loadModel(t, computetest.NewReference(), ck)
	batch := randomCells(1, judge.VocabSize(), 23, 40)
	want, err := judge.Forward(t.Context(), batch, Options{})
	require.NoError(t, err)
	for _, c := range []struct {
		device    string
		precision compute.Precision
		cosine    float64
	}{
		{"cpu", compute.FP32, 0.999999},
		{"cpu:avx2", compute.FP32, 0.999999},
		{"cpu:generic", compute.FP32, 0.999999},
		{"cpu:amx", compute.BF16x3, 0.99999},
		{"cpu:avx512bf16", compute.BF16x3, 0.99999},
		{"cpu:amx", compute.BF16, 0.999},
		{"cpu:avx512bf16", compute.BF16, 0.999},
	} {
		t.Run(c.device+"/"+string(c.precision), func(t *testing.T) {
			dev, err := compute.Open(c.device, compute.Options{Precision: c.precision})
			if err != nil {
				t.Skipf("this processor or build lacks it: %v", err)
			}
			t.Cleanup(func() { require.NoError(t, dev.Close()) })
			got, err := loadModel(t, dev, ck).Forward(t.Context(), batch, Options{})
			require.NoError(t, err)
			least := 1.0
			d := judge.EmbSize()
			for i := range batch.Cells() {
				least = min(least, cosine(want.CellEmbeddings[i*d:(i+1)*d], got.CellEmbeddings[i*d:(i+1)*d]))
			}
			t.Logf("1 - cosine = %.3g", 1-least)
			require.GreaterOrEqual(t, least, c.cosine)
		})
	}
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}
