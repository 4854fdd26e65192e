package cpu

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/internal/kernel"
)

func TestOpenChoosesInstructionSet(t *testing.T) {
	sets := kernel.Sets()
	t.Setenv(instructionSetVariable, "")
	for name, want := range map[string]string{
		"cpu": sets[0].Name, "auto": sets[0].Name, "cpu:generic": "generic", "cpu:" + sets[0].Name: sets[0].Name,
	} {
		dev, err := compute.Open(name, compute.Options{})
		require.NoError(t, err, name)
		require.Equal(t, "cpu/"+want+"/fp32", dev.Class(), name)
		require.NoError(t, dev.Close())
	}
	t.Setenv(instructionSetVariable, "generic")
	dev, err := compute.Open("cpu", compute.Options{})
	require.NoError(t, err)
	require.Equal(t, "cpu/generic/fp32", dev.Class(), "by the environment")
	require.NoError(t, dev.Close())
	dev, err = compute.Open("cpu:"+sets[0].Name, compute.Options{})
	require.NoError(t, err)
	require.Equal(t, "cpu/"+sets[0].Name+"/fp32", dev.Class(), "the name before the environment")
	require.NoError(t, dev.Close())

	t.Setenv(instructionSetVariable, "sse9")
	_, err = compute.Open("cpu", compute.Options{})
	require.ErrorContains(t, err, instructionSetVariable)
	require.ErrorContains(t, err, "sse9")
	require.ErrorContains(t, err, "generic")
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		opts compute.Options
		want []string
	}{
		{"cpu:sse9", compute.Options{}, []string{"sse9", "generic"}},
		{"cpu:generic", compute.Options{Precision: compute.BF16}, []string{"bf16"}},
		{"cpu", compute.Options{Precision: "fp99"}, []string{"fp99", "available: fp32"}},
		{"cpu", compute.Options{Threads: -1}, []string{"option Threads is -1"}},
	} {
		_, err := compute.Open(test.name, test.opts)
		for _, part := range test.want {
			require.ErrorContains(t, err, part)
		}
	}
}

// A precision without its hardware is refused with what there is, and is never
// replaced by another.
func TestOpenPrecision(t *testing.T) {
	t.Setenv(instructionSetVariable, "")
	for _, p := range []compute.Precision{compute.FP32, compute.BF16, compute.BF16x3} {
		for _, name := range []string{"cpu", "auto"} {
			dev, err := compute.Open(name, compute.Options{Precision: p})
			if slices.ContainsFunc(kernel.Sets(), func(s *kernel.Set) bool { return s.Precision == string(p) }) {
				require.NoError(t, err)
				require.True(t, strings.HasSuffix(dev.Class(), "/"+string(p)), dev.Class())
				require.NoError(t, dev.Close())
				continue
			}
			require.ErrorContains(t, err, fmt.Sprintf("precision %q is not available", p))
			require.ErrorContains(t, err, "available: fp32")
			require.ErrorContains(t, err, "AMX")
			require.ErrorContains(t, err, "this processor and build have "+cmp.Or(kernel.Features(), "none"))
		}
	}
	for _, set := range kernel.Unlisted() {
		dev, err := compute.Open("cpu:"+set.Name, compute.Options{Precision: compute.Precision(set.Precision)})
		require.NoError(t, err, "by name")
		require.Equal(t, "cpu/"+set.Name+"/"+set.Precision, dev.Class())
		require.NoError(t, dev.Close())
	}
}
