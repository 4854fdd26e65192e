package evaluate

import (
	"fmt"
	"maps"
	"slices"
)

// MaxLabels is the most labels that [Classification] takes: its confusion
// matrix grows with their square. A column with more is one of cell names or
// numbers, not of cell types.
const MaxLabels = 4096

// Scores are the results of [Classification].
type Scores struct {
	// Accuracy is the share of cells with the right label.
	Accuracy float64
	// MacroPrecision, MacroRecall and MacroF1 are the plain means of
	// PerLabel, so that a rare type weighs as much as a frequent one.
	MacroPrecision, MacroRecall, MacroF1 float64
	// Labels are those that occur in truth or prediction, sorted.
	Labels []string
	// PerLabel has the scores of each label, in the order of Labels.
	PerLabel []LabelScores
	// Confusion counts cells: Confusion[i][j] of them are truly Labels[i]
	// and predicted to be Labels[j].
	Confusion [][]int
}

// LabelScores are the scores of one label.
type LabelScores struct {
	// Precision is the share of the cells predicted to be of this label that
	// are, 0 where none is predicted.
	Precision float64
	// Recall is the share of the cells of this label that are predicted to
	// be, 0 where the label does not occur in the truth.
	Recall float64
	// F1 is the harmonic mean of precision and recall, 0 where both are.
	F1 float64
	// Support is the number of cells that truly are of this label.
	Support int
}

// Classification compares predicted labels with true ones, cell by cell.
//
// The definitions are those of scikit-learn's accuracy_score and
// precision_recall_fscore_support(average="macro", zero_division=0): the macro
// means are over the labels that occur in truth or prediction. A prediction
// such as "unassigned", or an empty one, is a label like any other: it is wrong
// for its cell, and it counts as one more label, of F1 0, in the macro means.
//
// The caller leaves out the cells without a true label: an empty string in
// truth is an error, as are lengths that differ, no cells, and more than
// [MaxLabels] labels.
func Classification(truth, predicted []string) (Scores, error) {
	if len(truth) != len(predicted) {
		return Scores{}, invalidf("predicted", "%d labels, but truth has %d: both need one per cell", len(predicted), len(truth))
	}
	if len(truth) == 0 {
		return Scores{}, invalidf("truth", "no cells to compare")
	}
	index := map[string]int{}
	for i, label := range truth {
		if label == "" {
			return Scores{}, invalidf(fmt.Sprintf("truth[%d]", i), "empty label: leave out the cells without a true label")
		}
		index[label], index[predicted[i]] = 0, 0
		if len(index) > MaxLabels {
			return Scores{}, invalidf(fmt.Sprintf("truth[%d]", i), "more than %d different labels up to here: these are no cell types", MaxLabels)
		}
	}
	s := Scores{Labels: slices.Sorted(maps.Keys(index))}
	n := len(s.Labels)
	s.Confusion = make([][]int, n)
	for i, label := range s.Labels {
		index[label] = i
		s.Confusion[i] = make([]int, n)
	}
	for i, label := range truth {
		s.Confusion[index[label]][index[predicted[i]]]++
	}
	s.summarise(len(truth))
	return s, nil
}

// summarise fills the scores from the confusion matrix.
func (s *Scores) summarise(cells int) {
	n := len(s.Labels)
	s.PerLabel = make([]LabelScores, n)
	predicted := make([]int, n)
	right := 0
	for i, row := range s.Confusion {
		right += row[i]
		for j, count := range row {
			s.PerLabel[i].Support += count
			predicted[j] += count
		}
	}
	s.Accuracy = share(right, cells)
	for i := range s.PerLabel {
		l := &s.PerLabel[i]
		hits := s.Confusion[i][i]
		l.Precision = share(hits, predicted[i])
		l.Recall = share(hits, l.Support)
		l.F1 = share(2*hits, predicted[i]+l.Support)
		s.MacroPrecision += l.Precision
		s.MacroRecall += l.Recall
		s.MacroF1 += l.F1
	}
	s.MacroPrecision /= float64(n)
	s.MacroRecall /= float64(n)
	s.MacroF1 /= float64(n)
}

func share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
