package storage_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

// Names that mean something else on Windows than they say.
func TestNamesOfWindows(t *testing.T) {
	r, root, outside, _ := layout(t)
	drive := filepath.VolumeName(root)
	cases := []struct{ name, path, want, problem string }{
		{"slashes", filepath.ToSlash(root) + "/a.h5ad", "a.h5ad", ""},
		{"upper case", strings.ToUpper(root) + `\a.h5ad`, "a.h5ad", ""},
		{"without its drive", strings.TrimPrefix(root, drive) + `\a.h5ad`, "a.h5ad", ""},
		{"outside without its drive", strings.TrimPrefix(outside, drive) + `\b.h5ad`, "", "lies outside"},
		{"dots", `sub\..\..\outside\b.h5ad`, "", "lies outside"},
		{"drive's current folder", drive + "a.h5ad", "", "goes on from a drive's current folder"},
		{"another drive", `Q:\a.h5ad`, "", "lies outside"},
		{"share", `\\server\share\a.h5ad`, "", "lies outside"},
		{"share with slashes", `//server/share/a.h5ad`, "", "lies outside"},
		{"raw path", `\\?\` + root + `\a.h5ad`, "", "lies outside"},
		{"device", "NUL", "", "no name of a file"},
		{"device in a folder", `sub\CON`, "", "no name of a file"},
		{"part of a file", "a.h5ad:hidden", "", "no name of a file"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			in, inErr := r.Input(c.path)
			out, outErr := r.Output(c.path)
			if c.problem == "" {
				require.NoError(t, inErr)
				require.NoError(t, outErr)
				require.True(t, strings.EqualFold(filepath.Join(root, c.want), in), in)
				require.True(t, strings.EqualFold(filepath.Join(root, c.want), out), out)
				return
			}
			for _, err := range []error{inErr, outErr} {
				var bad *storage.Error
				require.ErrorAs(t, err, &bad)
				require.ErrorContains(t, err, c.problem)
			}
		})
	}
}

// A junction, which anybody may make, leads nowhere outside.
func TestJunction(t *testing.T) {
	r, root, outside, _ := layout(t)
	out, err := exec.CommandContext(t.Context(), "cmd", "/c", "mklink", "/J", filepath.Join(root, "junction"), outside).CombinedOutput()
	if err != nil {
		t.Skipf("no junctions here, as under Wine: %v: %s", err, out)
	}
	_, err = r.Input(`junction\b.h5ad`)
	require.ErrorContains(t, err, "lies outside")
	_, err = r.Output(`junction\x.h5ad`)
	require.ErrorContains(t, err, "lies outside")
}
