package foogpt

import (
	"math"
	"slices"
	"strings"

	"github.com/seed-ab6af24b/troupe/foogpt/api"
)

// match is how well a cluster fits a type.
type match struct {
	cellType
	score    float64
	evidence []string // best first
}

// name finds the type of a cluster by the formula of the package comment.
func (m markerTable) name(c api.Cluster) api.ClusterName {
	genes := make([]string, len(c.Genes))
	for i, g := range c.Genes {
		genes[i] = strings.ToUpper(g)
	}
	matches := make([]match, 0, len(m))
	var best match
	for _, t := range m {
		this := t.match(genes)
		if matches = append(matches, this); this.score > best.score {
			best = this
		}
	}
	if best.score == 0 {
		return api.ClusterName{ID: c.ID, Name: api.Unknown, Evidence: []string{}}
	}
	var total float64
	for _, other := range matches {
		if !slices.Contains(best.parents, other.name) {
			total += other.score
		}
	}
	strength := min(1, best.score/(weight(0)+weight(1)+weight(2)))
	return api.ClusterName{
		ID:         c.ID,
		Name:       best.name,
		Confidence: math.Round(best.score/total*strength*1000) / 1000,
		Evidence:   best.evidence,
		Source:     best.source,
	}
}

// match scores the genes of a cluster, upper case and best first.
func (t cellType) match(genes []string) match {
	result := match{cellType: t}
	own := false
	for rank, g := range genes {
		mine := slices.Contains(t.genes, g)
		if !mine && !slices.Contains(t.inherited, g) || slices.Contains(result.evidence, g) {
			continue
		}
		own = own || mine
		result.score += weight(rank)
		result.evidence = append(result.evidence, g)
	}
	if !own {
		return match{cellType: t}
	}
	return result
}

// weight is what a marker at a rank, from 0, counts.
func weight(rank int) float64 { return 1 / math.Log2(float64(rank)+2) }
