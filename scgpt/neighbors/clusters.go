package neighbors

import (
	"context"
	"math"
)

// ClusterOptions tune [Clusters]. The zero value is right for a first look.
type ClusterOptions struct {
	// Resolution is the weight γ of the expected number of edges: the
	// higher, the more and the smaller the clusters. The default 0 is 1.
	Resolution float64
	// Seed chooses the order in which cells are visited. Another seed may
	// give another clustering that is about as good.
	Seed uint64
}

// Clusters divides the cells of a graph into clusters by the Louvain method
// (Blondel et al. 2008, doi:10.1088/1742-5468/2008/10/P10008), which raises the
// modularity
//
//	Q = 1/2m Σ_ij [A_ij - γ·k_i·k_j/2m] δ(c_i, c_j)
//
// (Reichardt and Bornholdt 2006, doi:10.1103/PhysRevE.74.016110). It returns a
// cluster's number for every cell. Clusters are numbered by size, the largest 0,
// and those of equal size by their first cell; a cell without neighbours is a
// cluster of its own. The same graph and options give the same clusters.
//
// Time is proportional to the edges, times some ten to a hundred visits. When
// ctx ends, Clusters returns its error.
func Clusters(ctx context.Context, g *Graph, options ClusterOptions) ([]int, error) {
	if g == nil || g.Len() == 0 {
		return nil, invalidf("graph", "it has no cells")
	}
	resolution := options.Resolution
	if resolution == 0 {
		resolution = 1
	}
	if !(resolution > 0) || math.IsInf(resolution, 0) {
		return nil, invalidf("options.Resolution", "%v, but it must be above 0, or 0 for 1", resolution)
	}
	clusters, err := louvain(ctx, g, resolution, options.Seed)
	if err != nil {
		return nil, err
	}
	orderBySize(clusters)
	return clusters, nil
}
