package neighbors

import (
	"fmt"
	"math"
)

// Unassigned is the label of a query or cluster that gets no other.
const Unassigned = "unassigned"

// TransferOptions tune [Transfer].
type TransferOptions struct {
	// Threshold is the least confidence, between 0 and 1, at which a query
	// takes the label; below it is [Unassigned]. The default 0 assigns all.
	Threshold float64
}

// Vote is what the neighbours of one query say.
type Vote struct {
	// Label is Winner, or [Unassigned] where Confidence is below the
	// threshold.
	Label string
	// Winner is the label that most neighbours have.
	Winner string
	// Confidence is the share of the neighbours that have it, above 0 and
	// at most 1.
	Confidence float64
}

// Transfer gives every query the label that most of its neighbours have.
// labels has one for each reference that was searched. Of labels with as many
// votes, the one whose neighbours have the smaller sum of distances wins, and
// where these are equal too, the one that sorts first.
//
// Every reference needs a label: an empty one is an error, as is a result whose
// indices are not those of labels. Leave references without a label out of the
// search.
func Transfer(result *Result, labels []string, options TransferOptions) ([]Vote, error) {
	if err := result.check(len(labels), "labels"); err != nil {
		return nil, err
	}
	if !(options.Threshold >= 0 && options.Threshold <= 1) {
		return nil, invalidf("options.Threshold", "%v, but a share is between 0 and 1", options.Threshold)
	}
	for i, label := range labels {
		if label == "" {
			return nil, invalidf(fmt.Sprintf("labels[%d]", i), "empty: leave references without a label out of the search")
		}
	}
	votes := make([]Vote, result.Queries())
	b := ballot{}
	for i := range votes {
		clear(b)
		indices, distances := result.Of(i)
		for j, r := range indices {
			b.add(labels[r], float64(distances[j]))
		}
		winner, count := b.winner()
		votes[i] = Vote{Label: winner, Winner: winner, Confidence: float64(count) / float64(result.K)}
		if votes[i].Confidence < options.Threshold {
			votes[i].Label = Unassigned
		}
	}
	return votes, nil
}

// check returns an error unless the result has whole rows of indices of the
// given number of references, which name stands for.
func (r *Result) check(references int, name string) error {
	switch {
	case r == nil || r.K < 1 || len(r.Indices) == 0:
		return invalidf("result", "it has no neighbours")
	case len(r.Indices)%r.K != 0:
		return invalidf("result", "%d indices are no rows of %d", len(r.Indices), r.K)
	case len(r.Distances) != len(r.Indices):
		return invalidf("result", "%d distances for %d indices", len(r.Distances), len(r.Indices))
	}
	for i, index := range r.Indices {
		if index < 0 || int(index) >= references {
			return invalidf(fmt.Sprintf("result.Indices[%d]", i), "%d, but %s has %d entries", index, name, references)
		}
		if math.IsNaN(float64(r.Distances[i])) {
			return invalidf(fmt.Sprintf("result.Distances[%d]", i), "NaN is no distance")
		}
	}
	return nil
}

// ballot counts the votes for each label.
type ballot map[string]tally

// tally is the votes for one label and the sum of their distances.
type tally struct {
	votes    int
	distance float64
}

func (b ballot) add(label string, distance float64) {
	t := b[label]
	t.votes++
	t.distance += distance
	b[label] = t
}

// winner returns the label with most votes, then the least distance, then the
// first in order, and its votes. It is "" and 0 on an empty ballot.
func (b ballot) winner() (string, int) {
	best, most := "", tally{}
	for label, t := range b {
		better := t.votes > most.votes
		if t.votes == most.votes {
			better = t.distance < most.distance || t.distance == most.distance && label < best
		}
		if better {
			best, most = label, t
		}
	}
	return best, most.votes
}
