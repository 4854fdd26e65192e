package neighbors

import "fmt"

// ClusterLabel is the label that most cells of a cluster have.
type ClusterLabel struct {
	// Label has most votes, or is [Unassigned] where no cell has a label.
	Label string
	// Confidence is the share of the labelled cells that have it.
	Confidence float64
	// Cells is the size of the cluster, and Labelled the number of its cells
	// that have a label.
	Cells, Labelled int
}

// Majority gives every cluster the label that most of its cells have; of labels
// with as many cells, the one that sorts first. clusters holds a number for
// every cell, as [Clusters] returns them; the result has an entry for each from
// 0 to the greatest. An empty label is no vote.
func Majority(clusters []int, labels []string) ([]ClusterLabel, error) {
	if len(clusters) != len(labels) {
		return nil, invalidf("labels", "%d for %d cells with a cluster", len(labels), len(clusters))
	}
	if len(clusters) == 0 {
		return nil, invalidf("clusters", "there are no cells")
	}
	count := 0
	for i, c := range clusters {
		// Numbers without gaps are less than the number of cells.
		if c < 0 || c >= len(clusters) {
			return nil, invalidf(fmt.Sprintf("clusters[%d]", i), "%d, but the clusters of %d cells have numbers from 0 to at most %d", c, len(clusters), len(clusters)-1)
		}
		count = max(count, c+1)
	}
	result := make([]ClusterLabel, count)
	ballots := make([]ballot, count)
	for i, c := range clusters {
		result[c].Cells++
		if labels[i] == "" {
			continue
		}
		if ballots[c] == nil {
			ballots[c] = ballot{}
		}
		ballots[c].add(labels[i], 0)
		result[c].Labelled++
	}
	for c := range result {
		r := &result[c]
		if r.Labelled == 0 {
			r.Label = Unassigned
			continue
		}
		winner, votes := ballots[c].winner()
		r.Label, r.Confidence = winner, float64(votes)/float64(r.Labelled)
	}
	return result, nil
}
