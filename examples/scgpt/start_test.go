package main

import (
	"io"
	"slices"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// Each flag of start is used by an operation, or by all, and each that an operation
// is said to use is there.
func TestFlagsOfOperations(t *testing.T) {
	var registered []string
	a := &app{stdout: io.Discard, stderr: io.Discard}
	a.startCommand().Flags().VisitAll(func(f *pflag.Flag) { registered = append(registered, f.Name) })
	used := slices.Clone(flagsOfAll)
	for _, o := range operations {
		used = append(used, o.flags...)
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(o.flags))), len(o.flags), "%s has a flag twice", o.name)
	}
	require.Equal(t, slices.Sorted(slices.Values(registered)), slices.Compact(slices.Sorted(slices.Values(used))))
}
