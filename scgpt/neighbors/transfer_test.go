package neighbors_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

func TestTransfer(t *testing.T) {
	t.Parallel()
	labels := []string{"T", "B", "T", "B", "NK"}
	for name, tc := range map[string]struct {
		indices   []int32
		distances []float32
		threshold float64
		want      neighbors.Vote
	}{
		"one":               {[]int32{4}, []float32{1}, 1, neighbors.Vote{Label: "NK", Winner: "NK", Confidence: 1}},
		"majority":          {[]int32{4, 0, 2}, []float32{0, 5, 9}, 0, neighbors.Vote{Label: "T", Winner: "T", Confidence: 2.0 / 3}},
		"nearer of equals":  {[]int32{0, 1, 3, 2}, []float32{1, 2, 3, 4.5}, 0, neighbors.Vote{Label: "B", Winner: "B", Confidence: 0.5}},
		"order of equals":   {[]int32{0, 1, 3, 2}, []float32{1, 2, 3, 4}, 0, neighbors.Vote{Label: "B", Winner: "B", Confidence: 0.5}},
		"at the threshold":  {[]int32{0, 2, 1, 4}, []float32{1, 1, 1, 1}, 0.5, neighbors.Vote{Label: "T", Winner: "T", Confidence: 0.5}},
		"below":             {[]int32{0, 2, 1, 4}, []float32{1, 1, 1, 1}, 0.51, neighbors.Vote{Label: neighbors.Unassigned, Winner: "T", Confidence: 0.5}},
		"duplicate indices": {[]int32{1, 1, 0}, []float32{1, 1, 1}, 0, neighbors.Vote{Label: "B", Winner: "B", Confidence: 2.0 / 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := &neighbors.Result{K: len(tc.indices), Indices: tc.indices, Distances: tc.distances}
			got, err := neighbors.Transfer(result, labels, neighbors.TransferOptions{Threshold: tc.threshold})
			require.NoError(t, err)
			require.Equal(t, []neighbors.Vote{tc.want}, got)
		})
	}
}

func TestTransferBadInput(t *testing.T) {
	t.Parallel()
	one := func(index int32, distance float32) *neighbors.Result {
		return &neighbors.Result{K: 1, Indices: []int32{index}, Distances: []float32{distance}}
	}
	labels := []string{"T", "B"}
	for name, tc := range map[string]struct {
		result  *neighbors.Result
		labels  []string
		options neighbors.TransferOptions
		want    string
	}{
		"nil":            {nil, labels, neighbors.TransferOptions{}, "result: it has no neighbours"},
		"empty":          {&neighbors.Result{K: 3}, labels, neighbors.TransferOptions{}, "result: it has no neighbours"},
		"no k":           {&neighbors.Result{Indices: []int32{1}, Distances: []float32{1}}, labels, neighbors.TransferOptions{}, "result: it has no neighbours"},
		"part of a row":  {&neighbors.Result{K: 2, Indices: make([]int32, 3), Distances: make([]float32, 3)}, labels, neighbors.TransferOptions{}, "result: 3 indices are no rows of 2"},
		"distances":      {&neighbors.Result{K: 1, Indices: make([]int32, 3)}, labels, neighbors.TransferOptions{}, "result: 0 distances for 3 indices"},
		"index":          {one(2, 1), labels, neighbors.TransferOptions{}, "result.Indices[0]: 2, but labels has 2 entries"},
		"negative index": {one(-1, 1), labels, neighbors.TransferOptions{}, "result.Indices[0]: -1, but labels has 2 entries"},
		"NaN distance":   {one(1, float32(math.NaN())), labels, neighbors.TransferOptions{}, "result.Distances[0]: NaN is no distance"},
		"empty label":    {one(1, 1), []string{"T", "B", ""}, neighbors.TransferOptions{}, "labels[2]: empty: leave references without a label out of the search"},
		"threshold":      {one(1, 1), labels, neighbors.TransferOptions{Threshold: 1.1}, "options.Threshold: 1.1, but a share is between 0 and 1"},
		"NaN threshold":  {one(1, 1), labels, neighbors.TransferOptions{Threshold: math.NaN()}, "options.Threshold: NaN, but a share is between 0 and 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := neighbors.Transfer(tc.result, tc.labels, tc.options)
			require.EqualError(t, err, tc.want)
			requireInvalidData(t, err)
		})
	}
}

func TestMajority(t *testing.T) {
	t.Parallel()
	got, err := neighbors.Majority(
		[]int{0, 0, 0, 0, 1, 1, 3, 3},
		[]string{"T", "B", "T", "", "NK", "B", "", ""})
	require.NoError(t, err)
	require.Equal(t, []neighbors.ClusterLabel{
		{Label: "T", Confidence: 2.0 / 3, Cells: 4, Labelled: 3},
		{Label: "B", Confidence: 0.5, Cells: 2, Labelled: 2},
		{Label: neighbors.Unassigned},
		{Label: neighbors.Unassigned, Cells: 2},
	}, got)
}

func TestMajorityBadInput(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		clusters []int
		labels   []string
		want     string
	}{
		"empty":     {nil, nil, "clusters: there are no cells"},
		"lengths":   {[]int{0, 0}, []string{"T"}, "labels: 1 for 2 cells with a cluster"},
		"negative":  {[]int{0, -1}, []string{"T", "T"}, "clusters[1]: -1, but the clusters of 2 cells have numbers from 0 to at most 1"},
		"too great": {[]int{math.MaxInt}, []string{"T"}, fmt.Sprintf("clusters[0]: %d, but the clusters of 1 cells have numbers from 0 to at most 0", math.MaxInt)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := neighbors.Majority(tc.clusters, tc.labels)
			require.EqualError(t, err, tc.want)
			requireInvalidData(t, err)
		})
	}
}

func ExampleTransfer() {
	references := neighbors.Matrix{Data: []float32{0, 0, 0, 1, 9, 9, 9, 8}, Rows: 4, Cols: 2}
	types := []string{"B cell", "B cell", "T cell", "T cell"}
	queries := neighbors.Matrix{Data: []float32{1, 0, 8, 9}, Rows: 2, Cols: 2}

	found, err := neighbors.Search(context.Background(), queries, references, 3, neighbors.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	votes, err := neighbors.Transfer(found, types, neighbors.TransferOptions{Threshold: 0.5})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range votes {
		fmt.Printf("%s %.2f\n", v.Label, v.Confidence)
	}
	// Output:
	// B cell 0.67
	// T cell 0.67
}
