package evaluate

import (
	"context"
	"math"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

// BIO says how well an embedding keeps cell types apart.
type BIO struct {
	// NMI and ARI compare the types with the clusters at Resolution.
	NMI, ARI float64
	// ASW is [LabelASW].
	ASW float64
	// Avg is the mean of NMI, ARI and ASW: the AvgBIO of scGPT's authors.
	Avg float64
	// Resolution is the one, of those tried, whose clusters have the highest
	// NMI; the first of equals.
	Resolution float64
	// Clusters has a number for every cell; see [neighbors.Clusters].
	Clusters []int
}

// BIOOptions tune [AvgBIO]. The zero value is right for most.
type BIOOptions struct {
	Options
	// Resolutions are those tried for the clusters. The default nil is 0.1,
	// 0.2 … 2, as in scib.
	Resolutions []float64
	// Seed is that of the clusters.
	Seed uint64
}

// AvgBIO scores an embedding of cells of known types: x has a row per cell, and
// g is the graph of their neighbours in it; see [neighbors.NewGraph].
//
// The scores are those of scib, and so is the choice of the resolution. The
// clusters are found by the Louvain method on the graph without weights, where
// scanpy weights the edges, and scib takes the Leiden method by default: NMI and
// ARI can differ from a published pipeline's as far as the clusters do.
func AvgBIO(ctx context.Context, x neighbors.Matrix, g *neighbors.Graph, types []string, options BIOOptions) (BIO, error) {
	if err := checkGraph(g, x.Rows, "x", "rows"); err != nil {
		return BIO{}, err
	}
	var b BIO
	var err error
	if b.ASW, err = LabelASW(ctx, x, types, options.Options); err != nil {
		return BIO{}, err
	}
	resolutions := options.Resolutions
	if resolutions == nil {
		for i := 1; i <= 20; i++ {
			resolutions = append(resolutions, float64(i)/10)
		}
	}
	if len(resolutions) == 0 {
		return BIO{}, invalidf("options.Resolutions", "there are none: give nil for 0.1 to 2")
	}
	b.NMI = math.Inf(-1)
	for _, resolution := range resolutions {
		clusters, err := neighbors.Clusters(ctx, g, neighbors.ClusterOptions{Resolution: resolution, Seed: options.Seed})
		if err != nil {
			return BIO{}, err
		}
		t, err := newContingency(types, clusters)
		if err != nil {
			return BIO{}, err
		}
		if nmi := t.nmi(); nmi > b.NMI {
			b.NMI, b.ARI, b.Resolution, b.Clusters = nmi, t.ari(), resolution, clusters
		}
	}
	b.Avg = (b.NMI + b.ARI + b.ASW) / 3
	return b, nil
}

// BATCH says how well an embedding mixes batches.
type BATCH struct {
	// Connectivity is [GraphConnectivity].
	Connectivity float64
	// ASW is [BatchASW].
	ASW float64
	// Avg is the mean of both: the AvgBATCH of scGPT's authors.
	Avg float64
}

// AvgBATCH scores an embedding of cells of known types and batches: x has a row
// per cell, and g is the graph of their neighbours in it; see
// [neighbors.NewGraph]. The scores are those of scib.
func AvgBATCH(ctx context.Context, x neighbors.Matrix, g *neighbors.Graph, types, batches []string, options Options) (BATCH, error) {
	var b BATCH
	var err error
	if b.Connectivity, err = GraphConnectivity(g, types); err != nil {
		return BATCH{}, err
	}
	if b.ASW, err = BatchASW(ctx, x, types, batches, options); err != nil {
		return BATCH{}, err
	}
	b.Avg = (b.Connectivity + b.ASW) / 2
	return b, nil
}
