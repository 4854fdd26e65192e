package integration

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// A disk that is full, and one that may not be written: the right error, no partial
// result; with room again, the same request does well.
func TestFaultDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mount := func(flags uintptr, data string) {
		t.Helper()
		if err := syscall.Mount("troupe", dir, "tmpfs", flags, data); err != nil {
			t.Skipf("a small disk cannot be mounted here (%v): this test needs the right to mount", err)
		}
	}
	mount(0, "size=300k")
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	in := copyCells(t, "pbmc68k_test.h5ad", dir)
	analyses := scgptOn(t, "disk-tasks", scgpt.Options{Models: testModels, DefaultModel: testModel, Roots: []string{dir}, Memo: t.TempDir()})
	ctx := within(t, longPatience())
	out := filepath.Join(dir, "result.h5ad")
	request := api.AnalysisWorkflowRequest{ExpressionData: in, Out: out, ReportOptions: api.ReportOptions{NoReport: true}}

	err := failsWith(ctx, t, analyses, request)
	require.ErrorContains(t, err, "no space left on device")
	class, _ := retry.ClassOf(err)
	require.NotEqual(t, retry.InvalidData, class, "somebody may make room")
	requireOnly(t, dir, in)

	mount(syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=300k")
	err = failsWith(ctx, t, analyses, request)
	require.ErrorContains(t, err, "cannot be written")
	class, _ = retry.ClassOf(err)
	require.Equal(t, retry.InvalidData, class)
	requireOnly(t, dir, in)

	mount(syscall.MS_REMOUNT, "size=10m")
	result, err := analyses.RunAnalysis(ctx, request, true)
	require.NoError(t, err)
	require.Equal(t, api.StatusComplete, result.Result.Status)
	want := filepath.Join(t.TempDir(), "undisturbed.h5ad")
	annotateDirectly(t, filepath.Join(testModels, testModel), in, want)
	requireSameFile(t, want, out)
	requireOnly(t, dir, in, out)
}
