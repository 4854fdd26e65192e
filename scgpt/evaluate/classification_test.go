package evaluate_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/evaluate"
)

func TestClassificationEqualsScikitLearn(t *testing.T) {
	t.Parallel()
	for _, tc := range readCases[struct {
		Name                            string
		Truth, Predicted                []string
		Accuracy, Precision, Recall, F1 float64
		Labels                          []string
		ByLabel                         struct {
			Precision, Recall, F1 []float64
			Support               []int
		} `json:"by_label"`
		Confusion [][]int
	}](t, "classification.json") {
		t.Run(tc.Name, func(t *testing.T) {
			t.Parallel()
			got, err := evaluate.Classification(tc.Truth, tc.Predicted)
			require.NoError(t, err)
			require.InDelta(t, tc.Accuracy, got.Accuracy, tolerance)
			require.InDelta(t, tc.Precision, got.MacroPrecision, tolerance)
			require.InDelta(t, tc.Recall, got.MacroRecall, tolerance)
			require.InDelta(t, tc.F1, got.MacroF1, tolerance)
			require.Equal(t, tc.Labels, got.Labels)
			require.Equal(t, tc.Confusion, got.Confusion)
			require.Len(t, got.PerLabel, len(tc.Labels))
			for i, l := range got.PerLabel {
				require.InDelta(t, tc.ByLabel.Precision[i], l.Precision, tolerance)
				require.InDelta(t, tc.ByLabel.Recall[i], l.Recall, tolerance)
				require.InDelta(t, tc.ByLabel.F1[i], l.F1, tolerance)
				require.Equal(t, tc.ByLabel.Support[i], l.Support)
			}
		})
	}
}

func TestClassificationByHand(t *testing.T) {
	t.Parallel()
	s, err := evaluate.Classification(
		[]string{"B", "B", "T", "T", "T", "NK"},
		[]string{"B", "T", "T", "T", "B", "unassigned"})
	require.NoError(t, err)
	require.Equal(t, []string{"B", "NK", "T", "unassigned"}, s.Labels)
	require.Equal(t, [][]int{{1, 0, 1, 0}, {0, 0, 0, 1}, {1, 0, 2, 0}, {0, 0, 0, 0}}, s.Confusion)
	require.InDelta(t, 3.0/6, s.Accuracy, 1e-15)
	require.InDelta(t, (1.0/2+2.0/3)/4, s.MacroPrecision, 1e-15)
	require.InDelta(t, (1.0/2+2.0/3)/4, s.MacroRecall, 1e-15)
	require.Equal(t, evaluate.LabelScores{Precision: 2.0 / 3, Recall: 2.0 / 3, F1: 2.0 / 3, Support: 3}, s.PerLabel[2])
	require.Equal(t, evaluate.LabelScores{Support: 1}, s.PerLabel[1])
	require.Equal(t, evaluate.LabelScores{}, s.PerLabel[3])
}

func TestClassificationBadInput(t *testing.T) {
	t.Parallel()
	many := make([]string, evaluate.MaxLabels+1)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for name, tc := range map[string]struct {
		truth, predicted []string
		want             string
	}{
		"empty":         {nil, nil, "truth: no cells to compare"},
		"lengths":       {[]string{"B"}, []string{"B", "T"}, "predicted: 2 labels, but truth has 1: both need one per cell"},
		"empty truth":   {[]string{"B", ""}, []string{"B", "T"}, "truth[1]: empty label: leave out the cells without a true label"},
		"no cell types": {many, many, "truth[4096]: more than 4096 different labels up to here: these are no cell types"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := evaluate.Classification(tc.truth, tc.predicted)
			require.EqualError(t, err, tc.want)
			requireInvalidData(t, err)
		})
	}
}
