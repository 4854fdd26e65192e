package devserver

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
)

func TestFileResumes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "t.db")
	s := start(t, Options{DBFile: file, Namespaces: []string{"lab"}})
	requireWaiting(t, s.HostPort(), "lab", "stopped")
	require.NoError(t, s.Stop())
	require.NoFileExists(t, file+"-wal", "the file is still open")
	lock, err := os.ReadFile(file + ".lock")
	require.NoError(t, err)
	require.Empty(t, lock)

	// The second start has the namespaces already, on another port, and learns more search attributes.
	s = start(t, Options{DBFile: file, Namespaces: []string{"lab"}, SearchAttributes: attributes})
	requireResumed(t, s.HostPort(), "lab", "stopped")
	requireSearchAttributes(t, dial(t, s.HostPort(), "lab"))
	require.NoError(t, s.Stop())

	_, err = Start(t.Context(), Options{Port: AnyPort, DBFile: file, SearchAttributes: map[string]enumspb.IndexedValueType{
		"Tissue": enumspb.INDEXED_VALUE_TYPE_DATETIME,
	}})
	require.ErrorContains(t, err, `search attributes of namespace "default": "Tissue" exists with the type Keyword, so it can't be a Datetime`)
}

func TestFileOfAKilledProcess(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "t.db")
	child, hostPort := startChild(t, file)
	requireWaiting(t, hostPort, DefaultNamespace, "killed")

	_, err := Start(t.Context(), Options{Port: AnyPort, DBFile: file})
	var inUse *InUseError
	require.ErrorAs(t, err, &inUse)
	resolved, evalErr := filepath.EvalSymlinks(file)
	require.NoError(t, evalErr)
	require.Equal(t, &InUseError{DBFile: resolved, PID: child.Process.Pid, HostPort: hostPort}, inUse)
	require.EqualError(t, err, fmt.Sprintf("devserver: start: database file %s is in use by process %d, which serves it at %s",
		resolved, child.Process.Pid, hostPort))

	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	require.FileExists(t, file+"-wal", "the kill left nothing to recover")

	s := start(t, Options{DBFile: file})
	requireResumed(t, s.HostPort(), DefaultNamespace, "killed")
}

func TestFileInUseByThisProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "t.db")
	s := start(t, Options{DBFile: file})

	link := filepath.Join(dir, "link.db")
	names := []string{file, filepath.Join(dir, ".", "x", "..", "t.db")}
	_ = os.Symlink(file, link) // not everywhere, for everybody
	if _, err := os.Stat(link); err == nil {
		names = append(names, link)
	}
	for _, name := range names {
		_, err := Start(t.Context(), Options{Port: AnyPort, DBFile: name})
		var inUse *InUseError
		require.ErrorAs(t, err, &inUse, name)
		require.ErrorContains(t, err, "is in use by another server of this process, which serves it at "+s.HostPort())
	}
	c := dial(t, s.HostPort(), "")
	startWorker(t, c)
	requireHello(t, c)
}

func TestFileRemovedBetweenStarts(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "t.db")
	s := start(t, Options{DBFile: file})
	requireWaiting(t, s.HostPort(), DefaultNamespace, "gone")
	require.NoError(t, s.Stop())
	require.NoError(t, os.Remove(file))

	s = start(t, Options{DBFile: file})
	_, err := dial(t, s.HostPort(), "").DescribeWorkflow(t.Context(), "gone", "")
	require.Error(t, err)
	require.FileExists(t, file)
}

func TestFileNames(t *testing.T) {
	t.Parallel()
	name := "ä b%20#1&x=y.db"
	if runtime.GOOS != "windows" {
		name = "?mode=memory " + name
	}
	dir := t.TempDir()
	// An empty file, as os.CreateTemp leaves it, and the rest of a start that was killed, are as good as none.
	file := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.WriteFile(file+".new", []byte("half a schema"), 0o600))
	s := start(t, Options{DBFile: file})
	c := dial(t, s.HostPort(), "")
	startWorker(t, c)
	requireHello(t, c)
	require.NoError(t, s.Stop())

	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.ElementsMatch(t, []string{name, name + ".lock"}, names)
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "SQLite format 3\x00", string(content[:16]))
}

func TestFileThatIsNoDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	require.NoError(t, os.WriteFile(text, []byte("cells,genes\n1,2\n"), 0o600))
	foreign := filepath.Join(dir, "foreign.db")
	createForeign(t, foreign)

	for name, test := range map[string]struct{ file, message string }{
		"text":          {text, "text.db: file is not a database"},
		"other tables":  {foreign, `foreign.db: is not a database of the Temporal server, but one with the tables ["cells"]`},
		"folder":        {dir, "is not a regular file"},
		"no folder":     {filepath.Join(dir, "none", "t.db"), "none"},
		"below a file":  {filepath.Join(text, "t.db"), "text.db"},
		"name with NUL": {"t\x00.db", "t"},
	} {
		t.Run(name, func(t *testing.T) {
			before, _ := os.ReadFile(test.file)
			_, err := Start(t.Context(), Options{Port: AnyPort, DBFile: test.file})
			require.ErrorContains(t, err, "devserver: start: ")
			require.ErrorContains(t, err, "database file")
			require.ErrorContains(t, err, test.message)
			if name == "no folder" {
				require.ErrorIs(t, err, fs.ErrNotExist)
			}
			after, _ := os.ReadFile(test.file)
			require.True(t, bytes.Equal(before, after), "the file was changed")
		})
	}
}

// createForeign writes a SQLite database that is not the server's.
func createForeign(t *testing.T, file string) {
	t.Helper()
	db := &database{sql: &config.SQL{
		PluginName:        sqlite.PluginName,
		DatabaseName:      uriPath(file),
		ConnectAttributes: map[string]string{"mode": "rwc"},
	}}
	admin, err := db.admin()
	require.NoError(t, err)
	require.NoError(t, admin.Exec("CREATE TABLE cells (id INT)"))
	require.NoError(t, db.close())
}

// requireWaiting starts a workflow that waits for a word, and sees it wait.
func requireWaiting(t *testing.T, hostPort, namespace, id string) {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: hostPort, Namespace: namespace, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: queue}, waitForWord)
	require.NoError(t, err)
	d, err := c.DescribeWorkflowExecution(t.Context(), id, "")
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, d.GetWorkflowExecutionInfo().GetStatus())
}

// requireResumed gives the workflow its word and a worker.
func requireResumed(t *testing.T, hostPort, namespace, id string) {
	t.Helper()
	c := dial(t, hostPort, namespace)
	startWorker(t, c)
	require.NoError(t, c.SignalWorkflow(t.Context(), id, "", "word", "go"))
	var got string
	require.NoError(t, c.GetWorkflow(context.WithoutCancel(t.Context()), id, "").Get(t.Context(), &got))
	require.Equal(t, "go", got)
}
