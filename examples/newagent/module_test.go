package main

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestModulePath(t *testing.T) {
	t.Parallel()
	for gomod, want := range map[string]string{
		"module example.com/a":                         "example.com/a",
		"// module no\n\nmodule\texample.com/a // yes": "example.com/a",
		"go 1.26\nmodule \"example.com/a\"\r\n":        "example.com/a",
		"module `example.com/a`\n":                     "example.com/a",
		"module (\n\texample.com/a\n)\n":               "example.com/a",
	} {
		got, err := modulePath(gomod)
		require.NoError(t, err, gomod)
		require.Equal(t, want, got, gomod)
	}
	for _, gomod := range []string{"", "module", "module\n\ngo 1.26\n", "// module example.com/a", "modules example.com/a", "module ()"} {
		_, err := modulePath(gomod)
		require.Error(t, err, gomod)
	}
}

func TestImportPath(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"go.mod": ownModule, "inner/go.mod": "module example.com/inner/v2\n"})
	cases := []struct{ dir, module, want, err string }{
		{".", "", "example.com/team", ""},
		{"agents/not-yet", "", "example.com/team/agents/not-yet", ""},
		{"agents", "example.com/team/agents", "example.com/team/agents", ""},
		{"inner/x", "", "example.com/inner/v2/x", ""},
		{"my agents", "", "", `"my agents" can be no part of one`},
		{"_agents", "", "", `"_agents" can be no part of one`},
		{"testdata/x", "", "", `"testdata" can be no part of one`},
	}
	if runtime.GOOS != "windows" { // for which it is x
		cases = append(cases, struct{ dir, module, want, err string }{"x.", "", "", `"x." can be no part of one`})
	}
	for _, c := range cases {
		got, missing, err := importPath(filepath.Join(dir, c.dir), c.module)
		if c.err != "" {
			require.ErrorContains(t, err, c.err)
			continue
		}
		require.NoError(t, err)
		require.False(t, missing)
		require.Equal(t, c.want, got)
	}
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"a", "greeter", "scgpt2"} {
		require.NoError(t, checkName(good))
	}
	for _, bad := range []string{
		"", "2a", "a-b", "a_b", "aB", "ä", "a b", "../a", "a/b", "a\n", // no name of a package
		"func", "range", "any", "string", "len", // Go's own
		"agent", "main", "testdata", // taken
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", // 41 bytes
	} {
		require.Error(t, checkName(bad), bad)
	}
}
