package integration

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// scgptOn runs a scgpt worker on a queue of its own and returns its client.
func scgptOn(t *testing.T, queue string, o scgpt.Options) *api.Client {
	t.Helper()
	o.Logger = silent
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(onQueue(scgpt.New(o), queue)))
	run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))
	return api.NewClient(clientTo(t, hostPort), api.TemporalConfig{TaskQueue: queue})
}

// The input becomes another file between two shards: the analysis ends with an
// error that says so, no result is written, and what was remembered of the file as
// it was is not mixed with the other one.
func TestFaultInputIsReplaced(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows lets nobody replace a file while it is read")
	}
	models, model := bigModel(t)
	dir := t.TempDir()
	in := copyCells(t, "celltypist_sample.h5ad", dir)
	original, err := os.ReadFile(in)
	require.NoError(t, err)
	analyses := scgptOn(t, "replaced-tasks", scgpt.Options{Models: models, DefaultModel: model, Roots: []string{dir}, Memo: t.TempDir()})
	ctx := within(t, longPatience())
	request := api.AnalysisWorkflowRequest{
		ExpressionData: in, Out: filepath.Join(dir, "result.h5ad"),
		ReportOptions: api.ReportOptions{NoReport: true}, ShardOptions: api.ShardOptions{ShardCells: 40},
	}
	id, err := analyses.StartAnalysis(ctx, request)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(shardFiles(t, request.Out, id)) > 0 }, patience, time.Millisecond)
	other := copyCells(t, "pbmc68k_test.h5ad", t.TempDir()) // whole when it takes the name
	done := len(shardFiles(t, request.Out, id))
	require.NoError(t, os.Rename(other, in))
	require.Less(t, done, 14, "the file was replaced too late")

	_, err = analyses.Result(ctx, id)
	require.ErrorContains(t, err, "has changed since the analysis began")
	class, _ := retry.ClassOf(err)
	require.Equal(t, retry.InvalidData, class)
	require.NoFileExists(t, request.Out)

	require.NoError(t, os.WriteFile(in, original, 0o644))
	result, err := analyses.RunAnalysis(ctx, request, true)
	require.NoError(t, err)
	require.Equal(t, api.StatusComplete, result.Result.Status)
	want := filepath.Join(dir, "undisturbed.h5ad")
	annotateDirectly(t, filepath.Join(models, model), in, want)
	requireSameFile(t, want, request.Out)
	t.Logf("replaced after %d of 14 shards", done)
}

// The worker may no longer read the input, or no longer write where the result
// belongs, from one shard to the next: the analysis says so, nothing partial is
// left, and with the right back the same request goes on from what is remembered.
func TestFaultPermission(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("on Windows the rights to a file are not in its mode, so chmod takes none away")
	}
	for _, lost := range []string{"the input", "the folder of the result"} {
		t.Run(lost, func(t *testing.T) {
			t.Parallel()
			const cells, shardCells = 559, 40
			models, model := bigModel(t)
			dir, private := t.TempDir(), t.TempDir()
			in := copyCells(t, "celltypist_sample.h5ad", dir)
			out := filepath.Join(dir, "result.h5ad")
			what, without := in, os.FileMode(0)
			if lost != "the input" {
				what, without = dir, 0o555
			}
			worker := childWorker{
				Address: hostPort, TaskQueue: strings.ReplaceAll(lost, " ", "-") + "-permission-tasks", Models: models, Model: model, Root: dir,
				Memo: filepath.Join(private, "memo"), Passes: filepath.Join(private, "passes"),
			}
			if os.Getuid() == 0 { // who may do everything
				worker.User = 65534
				require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
				for _, path := range []string{dir, in, private} {
					require.NoError(t, os.Chown(path, worker.User, -1))
				}
			}
			startWorker(t, worker)
			analyses := api.NewClient(clientTo(t, hostPort), api.TemporalConfig{TaskQueue: worker.TaskQueue})
			ctx := within(t, longPatience())
			request := api.AnalysisWorkflowRequest{
				ExpressionData: in, Out: out, ReportOptions: api.ReportOptions{NoReport: true}, ShardOptions: api.ShardOptions{ShardCells: shardCells},
			}
			id, err := analyses.StartAnalysis(ctx, request)
			require.NoError(t, err)
			require.Eventually(t, func() bool { return len(shardFiles(t, out, id)) > 0 }, longPatience(), time.Millisecond)
			before, err := os.Stat(what)
			require.NoError(t, err)
			t.Cleanup(func() { _ = os.Chmod(what, before.Mode()) }) // or the folder could not be removed
			require.NoError(t, os.Chmod(what, without))
			done := len(shardFiles(t, out, id))
			require.Less(t, done, 14, "the permission was lost too late")

			_, err = analyses.Result(ctx, id)
			require.ErrorContains(t, err, "permission denied")
			class, _ := retry.ClassOf(err)
			require.Equal(t, retry.InvalidData, class)
			require.ErrorContains(t, err, filepath.Base(what))
			require.NoFileExists(t, out)
			require.NoError(t, os.Chmod(what, before.Mode()))
			result, err := analyses.RunAnalysis(ctx, request, true)
			require.NoError(t, err)
			require.Equal(t, api.StatusComplete, result.Result.Status)
			_, computed := passesIn(t, worker.Passes)
			t.Logf("lost after %d of 14 shards; %d cells computed, of %d", done, computed, cells)
			require.Less(t, computed, cells+3*shardCells, "what was remembered is computed again")
			want := filepath.Join(t.TempDir(), "undisturbed.h5ad")
			annotateDirectly(t, filepath.Join(models, model), in, want)
			requireSameFile(t, want, out)
			requireOnly(t, dir, in, out)
		})
	}
}

// failsWith runs an analysis that must fail, and returns the error.
func failsWith(ctx context.Context, t *testing.T, analyses *api.Client, request api.AnalysisWorkflowRequest) error {
	t.Helper()
	_, err := analyses.RunAnalysis(ctx, request, true)
	require.Error(t, err)
	return err
}
