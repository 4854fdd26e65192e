//go:build !cuda

package cuda

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

func TestWithoutCUDA(t *testing.T) {
	t.Parallel()
	require.Contains(t, compute.Drivers(), "cuda")
	_, err := compute.Open("cuda:0", compute.Options{})
	require.ErrorContains(t, err, "-tags cuda")
	_, err = compute.Open("cuda:first", compute.Options{})
	require.ErrorContains(t, err, "the number of a GPU")
	_, err = compute.Open("auto", compute.Options{})
	require.ErrorContains(t, err, "no driver to choose from", "auto passes it by")
}
