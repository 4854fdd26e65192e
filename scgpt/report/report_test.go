package report_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
	"github.com/seed-ab6af24b/troupe/scgpt/report"
)

func made(cells, types int) *report.Report {
	r := rand.New(rand.NewPCG(1, 1))
	x := neighbors.Matrix{Rows: cells, Cols: 12}
	centre := make([][]float32, max(types, 1))
	for i := range centre {
		for range x.Cols {
			centre[i] = append(centre[i], float32(2.5*r.NormFloat64()))
		}
	}
	out := &report.Report{Title: "made.h5ad", EmbeddingKey: "X_scGPT", TruthKey: "celltype"}
	for i := range cells {
		k := int(float64(len(centre)) * r.Float64() * r.Float64())
		for j := range x.Cols {
			x.Data = append(x.Data, centre[k][j]+float32(r.NormFloat64()))
		}
		out.Cells = append(out.Cells, fmt.Sprintf("ACGTTGCA-%d", i))
		label := fmt.Sprintf("type %d of cells", k)
		if types == 0 {
			label = ""
		}
		out.Truth = append(out.Truth, label)
		if r.Float64() < 0.1 && types > 0 {
			label = "unassigned"
		}
		out.Labels = append(out.Labels, label)
		out.Confidence = append(out.Confidence, r.Float32())
	}
	if types == 0 {
		out.Truth = nil
	}
	out.Embedding = x
	return out
}

func TestTry(t *testing.T) {
	for _, s := range []struct{ cells, types int }{{1, 1}, {300, 0}, {5000, 60}, {200, 10}} {
		var b bytes.Buffer
		require.NoError(t, made(s.cells, s.types).WriteHTML(t.Context(), &b))
		require.NoError(t, os.WriteFile(filepath.Join("/tmp/troupe/report", fmt.Sprintf("made-%d-%d.html", s.cells, s.types)), b.Bytes(), 0o644))
	}
}
