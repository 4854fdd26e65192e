package scgpt

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

// rooted is an agent that has its roots, as after Start, and nothing else.
func rooted(t *testing.T) (a *Agent, root string) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	a = New(Options{})
	a.roots, err = storage.NewRoots(root)
	require.NoError(t, err)
	return a, root
}

func touch(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o644))
}

func discardIn(t *testing.T, a *Agent, dir string) (api.Discarded, error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{retry.Interceptor()}})
	agent.RegisterActivities(env, a)
	value, err := env.ExecuteActivity(api.DiscardShards.Name(), api.Plan{Task: api.TaskAnnotate, ShardDir: dir})
	var d api.Discarded
	if err == nil {
		require.NoError(t, value.Get(&d))
	}
	return d, err
}

// A plan comes with a request. Whatever folder it names, nothing but shard files
// in the layout of plan_cells is removed.
func TestDiscardShardsRemovesShardsOnly(t *testing.T) {
	a, root := rooted(t)
	dir := filepath.Join(root, "out", "x.h5ad.shards", "id")
	for _, name := range []string{"000000.shard", "000001.shard", "000002.shard.123456.tmp"} {
		touch(t, filepath.Join(dir, name))
	}
	d, err := discardIn(t, a, dir)
	require.NoError(t, err)
	require.Equal(t, 3, d.Files)
	require.NoDirExists(t, filepath.Dir(dir))
	require.DirExists(t, filepath.Join(root, "out"))

	d, err = discardIn(t, a, dir)
	require.NoError(t, err, "a folder that is gone is discarded already")
	require.Zero(t, d.Files)

	kept := []string{"notes.txt", "shard", "000009.shard.bak", "sub.shard/000000.shard"}
	for _, name := range append(kept, "000003.shard") {
		touch(t, filepath.Join(dir, name))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "000004.shard"), 0o755))
	d, err = discardIn(t, a, dir)
	require.NoError(t, err)
	require.Equal(t, 1, d.Files)
	for _, name := range kept {
		require.FileExists(t, filepath.Join(dir, name))
	}
	require.DirExists(t, filepath.Join(dir, "000004.shard"))
}

func TestShardFoldersOfAnotherLayoutAreRefused(t *testing.T) {
	a, root := rooted(t)
	touch(t, filepath.Join(root, "000000.shard"))
	touch(t, filepath.Join(root, "user", "000000.shard"))
	touch(t, filepath.Join(root, ".shards", "id", "000000.shard"))
	for _, dir := range []string{"", ".", "/", root, "user", filepath.Join(root, "user"), ".shards/id", "../x.shards/id", "/etc", "x.shards"} {
		t.Run(dir, func(t *testing.T) {
			_, err := discardIn(t, a, dir)
			class, _ := retry.ClassOf(err)
			require.Equal(t, retry.InvalidData, class, "%v", err)
			_, _, err = a.readShards(t.Context(), job{plan: &api.Plan{ShardDir: dir, NObs: 1, ShardCells: 1}}, nil)
			class, _ = retry.ClassOf(err)
			require.Equal(t, retry.InvalidData, class, "%v", err)
		})
	}
	require.FileExists(t, filepath.Join(root, "000000.shard"))
	require.FileExists(t, filepath.Join(root, "user", "000000.shard"))
	require.FileExists(t, filepath.Join(root, ".shards", "id", "000000.shard"))
	_, _, err := a.readShards(t.Context(), job{plan: &api.Plan{ShardDir: "x.shards/id"}}, nil)
	require.ErrorContains(t, err, "want at least one shard")
}

// What a failed analysis left is taken over by the next one to the same output,
// if it is whole and of the same work.
func TestTakeOver(t *testing.T) {
	beside := filepath.Join(t.TempDir(), "x.h5ad.shards")
	key, emb := sampleShard()
	path := filepath.Join(beside, "second", "000000.shard")
	require.ErrorIs(t, takeOver(path, key, true), fs.ErrNotExist)

	first := filepath.Join(beside, "first", "000000.shard")
	touch(t, first)
	require.ErrorIs(t, takeOver(path, key, true), fs.ErrNotExist, "a damaged one is not taken")
	require.NoError(t, writeShard(first, key, emb))
	other := key
	other.Fingerprint = "another model"
	require.ErrorIs(t, takeOver(path, other, true), fs.ErrNotExist)
	require.NoFileExists(t, path)

	require.ErrorIs(t, takeOver(path, key, false), fs.ErrNotExist, "asked for anew")
	require.NoFileExists(t, path)
	require.NoError(t, takeOver(path, key, true))
	require.NoError(t, takeOver(path, key, false), "its own")
	require.NoError(t, os.Remove(first))
	got, _, err := readShard(path, key, false)
	require.NoError(t, err)
	require.Equal(t, emb, got)
}

func TestShardsStayAfterFailuresOfTheMachine(t *testing.T) {
	cases := []struct {
		name string
		err  error
		over bool
	}{
		{"done", nil, true},
		{"cancelled", temporal.NewCanceledError(), true},
		{"bad data", retry.InvalidData.Errorf("NaN"), true},
		{"a lost worker", errors.New("activity Heartbeat timeout"), false},
		{"a full disk", temporal.NewApplicationError("no space left on device", "PathError"), false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.over, isOver(c.err)) })
	}
}
