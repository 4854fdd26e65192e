package main

import (
	"bytes"
	"context"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const ownModule = "module example.com/team // ours\n\ngo 1.26\n"

// folder makes a folder with files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return dir
}

// list returns the files and folders below dir.
func list(t *testing.T, dir string) (paths []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		paths = append(paths, filepath.ToSlash(rel))
		return err
	}))
	return paths
}

// newagent runs the program.
func newagent(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(args, &out, &err)
	return code, out.String(), err.String()
}

// What is written compiles, has nothing to say to vet, and passes its tests, in
// a module that is not Troupe's own.
func TestWrittenAgentWorks(t *testing.T) {
	t.Parallel()
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("there is no go tool to compile with: ", err)
	}
	dir := folder(t, map[string]string{"go.mod": ownModule, "go.work": workspace(t)})
	sums, err := os.ReadFile("../../go.work.sum")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.work.sum"), sums, 0o644))
	for _, name := range []string{"greeter", "a1"} {
		code, stdout, stderr := newagent(name, "--dir", dir)
		require.Equal(t, exitDone, code, stderr)
		require.Contains(t, stdout, filepath.Join(dir, name, "agent.go")+"\n")
		require.Contains(t, stdout, "go mod edit -replace "+troupe+"=")
		require.Contains(t, stdout, "go mod tidy")
		require.Contains(t, stdout, "go run ./cmd/"+name+"-worker")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
	defer cancel()
	for _, args := range [][]string{{"vet", "./..."}, {"test", "./greeter/...", "./a1/..."}} {
		cmd := exec.CommandContext(ctx, goTool, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(dir, "go.work"))
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "go %s:\n%s", strings.Join(args, " "), out)
	}
}

// workspace returns a go.work of the folder that it is in and of Troupe's own
// modules: these versions of everything are on the machine that runs the test.
func workspace(t *testing.T) string {
	t.Helper()
	own, err := os.ReadFile("../../go.work")
	require.NoError(t, err)
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	text := regexp.MustCompile(`(?m)^\t\.\S*$`).ReplaceAllStringFunc(string(own), func(line string) string {
		return "\t" + strconv.Quote(filepath.Join(root, filepath.FromSlash(line[1:])))
	})
	require.Contains(t, text, strconv.Quote(root))
	return text + "\nuse .\n"
}

// What is written for any name is formatted, and says nothing of another name.
func TestRender(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "greeter", strings.Repeat("z", maxNameBytes)} {
		files, err := render(about{Name: name, Title: title(name), Path: "example.com/team/" + name})
		require.NoError(t, err)
		var paths []string
		for _, f := range files {
			paths = append(paths, f.path)
			formatted, err := format.Source(f.data)
			require.NoError(t, err, f.path)
			require.Equal(t, string(formatted), string(f.data), f.path)
			require.NotContains(t, string(f.data), "NAME", f.path)
		}
		require.ElementsMatch(t, []string{
			name + "/doc.go", name + "/agent.go", name + "/workflow.go", name + "/activity.go", name + "/agent_test.go",
			name + "/api/doc.go", name + "/api/definitions.go", name + "/api/client.go",
			name + "/api/request.go", name + "/api/request_test.go", name + "/api/response.go",
			"cmd/" + name + "-worker/main.go", "cmd/" + name + "-start/main.go",
		}, paths)
	}
}

func TestNewModule(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	code, _, stderr := newagent("greeter", "--dir", filepath.Join(dir, "new", "one"), "--module", "example.com/new")
	require.Equal(t, exitDone, code, stderr)
	gomod, err := os.ReadFile(filepath.Join(dir, "new", "one", "go.mod"))
	require.NoError(t, err)
	require.Equal(t, "module example.com/new\n\ngo 1.26\n", string(gomod))
	source, err := os.ReadFile(filepath.Join(dir, "new", "one", "greeter", "agent.go"))
	require.NoError(t, err)
	require.Contains(t, string(source), `"example.com/new/greeter/api"`)
}

// Errors say what to do, and leave everything as it was.
func TestRefused(t *testing.T) {
	t.Parallel()
	team := map[string]string{"go.mod": ownModule}
	cases := []struct {
		name  string
		files map[string]string
		args  []string // --dir comes after them
		code  int
		want  string
	}{
		{"no name", team, nil, exitUsage, "want one name, got 0: newagent greeter"},
		{"two names", team, []string{"a", "b"}, exitUsage, "want one name, got 2"},
		{"unknown flag", team, []string{"greeter", "--force"}, exitUsage, "unknown flag: --force"},
		{"upper case", team, []string{"Greeter"}, exitUsage, `the name is "Greeter", but must be that of a Go package`},
		{"keyword", team, []string{"func"}, exitUsage, `the name "func" is a word of the Go language: choose another, such as funcagent`},
		{"no module", nil, []string{"greeter"}, exitFailed, "or say --module example.com/mine to have one written"},
		{"bad module", nil, []string{"greeter", "--module", "example.com//x"}, exitFailed, `the import path would be "example.com//x"`},
		{"other module", team, []string{"greeter", "--module", "example.com/x"}, exitFailed, "leave --module out"},
		{"broken go.mod", map[string]string{"go.mod": "go 1.26\n"}, []string{"greeter"}, exitFailed, "it has no line such as: module example.com/mine"},
		{"agent exists", map[string]string{"go.mod": ownModule, "greeter/notes.txt": "mine"}, []string{"greeter"}, exitFailed,
			"greeter exists and is not empty (it holds notes.txt): choose another name or another --dir"},
		{"worker exists", map[string]string{"go.mod": ownModule, "cmd/greeter-worker/main.go": "package main"}, []string{"greeter"}, exitFailed,
			"greeter-worker exists and is not empty (it holds main.go)"},
		{"file in the way", map[string]string{"go.mod": ownModule, "cmd": "mine"}, []string{"greeter"}, exitFailed, "cmd"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, c.files)
			before := list(t, dir)
			code, stdout, stderr := newagent(append(c.args, "--dir", dir)...)
			require.Equal(t, c.code, code)
			require.Contains(t, stderr, c.want)
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
			require.Empty(t, stdout)
			require.Equal(t, before, list(t, dir))
		})
	}
}

// When not all can be written, nothing is left.
func TestNothingPartial(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"there": "mine", "empty/.keep": ""})
	before := list(t, dir)
	err := write(dir, []file{{"a/b/c.go", nil}, {"empty/d.go", nil}, {"a/e.go", nil}, {"there", []byte("yours")}})
	require.ErrorIs(t, err, os.ErrExist)
	require.Equal(t, before, list(t, dir))
	data, err := os.ReadFile(filepath.Join(dir, "there"))
	require.NoError(t, err)
	require.Equal(t, "mine", string(data))
}
