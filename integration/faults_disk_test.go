package integration

import (
	"context"
	"os"
	"path/filepath"
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

// failsWith runs an analysis that must fail, and returns the error.
func failsWith(ctx context.Context, t *testing.T, analyses *api.Client, request api.AnalysisWorkflowRequest) error {
	t.Helper()
	_, err := analyses.RunAnalysis(ctx, request, true)
	require.Error(t, err)
	return err
}
