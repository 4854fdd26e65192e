package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/internal/processtest"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/checkpointtest"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
)

// fullSize, set to 1, has the tests about long computations use a model of the
// published size, with which they take a quarter of an hour on two cores; by
// default it is a small one of the same shape.
const fullSize = "TROUPE_FULL_SIZE"

// longPatience bounds the tests with either model.
func longPatience() time.Duration {
	if os.Getenv(fullSize) != "" {
		return time.Hour
	}
	return 5 * time.Minute
}

// bigModel writes a model that has a shard of cells take long enough to be hit,
// and returns the folder of models and its name.
func bigModel(t *testing.T) (models, name string) {
	t.Helper()
	models, name = t.TempDir(), "big"
	m := checkpointtest.Model{Vocab: 5000, Width: 96, Heads: 4, Hidden: 96, Layers: 4, Style: checkpoint.Continuous}
	if os.Getenv(fullSize) != "" {
		m = checkpointtest.FullSize(60697)
	}
	m.Genes, m.Classes = sampleGenes(t), 4
	dir := filepath.Join(models, name)
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, m.Write(dir))
	return models, name
}

// sampleGenes are the genes that the sample model knows.
func sampleGenes(t *testing.T) (genes []string) {
	t.Helper()
	ck, err := checkpoint.Open(filepath.Join(testModels, testModel))
	require.NoError(t, err)
	defer ck.Close()
	for id := range ck.Vocab().Len() {
		if g := ck.Vocab().Token(int32(id)); !strings.HasPrefix(g, "<") {
			genes = append(genes, g)
		}
	}
	return genes
}

func init() { compute.Register("counted", &countedPasses) }

// counted is the CPU as a device that writes a line to the file of its name, in a
// process that has one, for every forward pass: the number of its cells. A process
// that is killed has written them.
type counted struct{ file string }

// countedPasses is the device of a worker in a process of its own. The file is not
// the configuration of the device, whose name is also that of its lease and so short.
var countedPasses counted

func (*counted) Open(_ string, o compute.Options) (compute.Device, error) {
	dev, err := compute.Open("cpu", o)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(countedPasses.file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	return &countedDevice{dev.(cpuDevice), file}, nil
}

// cpuDevice is all that a CPU does: what passes on less has other bytes.
type cpuDevice interface {
	compute.Device
	compute.InputAttender
	compute.Projector
	compute.LayerStarter
	compute.LayerFinisher
	compute.PairUploader
	compute.Sharer
}

type countedDevice struct {
	cpuDevice
	file *os.File
}

func TestCountedDevicePassesEverythingOn(t *testing.T) {
	t.Parallel()
	dev, err := compute.Open("cpu", compute.Options{})
	require.NoError(t, err)
	defer dev.Close()
	for m := range reflect.TypeOf(dev).Methods() {
		_, ok := reflect.TypeFor[*countedDevice]().MethodByName(m.Name)
		require.True(t, ok, "the method %s of the CPU", m.Name)
	}
}

// NewLayout is called once for each forward pass. Those that warm a model up do
// not count.
func (d *countedDevice) NewLayout(offsets []int32) (compute.Layout, error) {
	if slices.Equal(offsets, []int32{0, engine.WarmUpTokens}) {
		return d.cpuDevice.NewLayout(offsets)
	}
	if _, err := fmt.Fprintf(d.file, "pass %d %d\n", len(offsets)-1, os.Getpid()); err != nil {
		return nil, err
	}
	return d.cpuDevice.NewLayout(offsets)
}

// Read is what a forward pass ends with.
func (d *countedDevice) Read(ctx context.Context, dst []float32, src compute.Tensor) error {
	err := d.cpuDevice.Read(ctx, dst, src)
	_, writeErr := fmt.Fprintf(d.file, "read %d\n", os.Getpid())
	return errors.Join(err, writeErr)
}

func (d *countedDevice) Close() error {
	_ = d.file.Close()
	return d.cpuDevice.Close()
}

// A worker killed in the middle of a shard costs what it had computed of that
// shard, and nothing in the result. So does one whose parent is killed, which it
// does not survive for long.
func TestAnalysisSurvivesKillOfItsWorker(t *testing.T) {
	t.Parallel()
	for name, variable := range map[string]string{"worker": childWorkerConfig, "parent": childParent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killAndResume(t, name+"-kill-tasks", func(t *testing.T, c childWorker) (kill func()) { return startProgram(t, variable, c) })
		})
	}
}

// killAndResume runs an analysis on a worker that is killed in the middle of a
// shard, and on another like it.
func killAndResume(t *testing.T, queue string, start func(*testing.T, childWorker) (kill func())) {
	t.Helper()
	const cells, shardCells, shards = 559, 80, 7
	models, model := bigModel(t)
	dir := t.TempDir()
	in := copyCells(t, "celltypist_sample.h5ad", dir)
	out := filepath.Join(dir, "result.h5ad")
	passes := filepath.Join(t.TempDir(), "passes")
	worker := childWorker{Address: hostPort, TaskQueue: queue, Models: models, Model: model, Root: dir, Passes: passes}
	kill := start(t, worker)

	c := clientTo(t, hostPort)
	analyses := api.NewClient(c, api.TemporalConfig{TaskQueue: worker.TaskQueue})
	ctx := within(t, longPatience())
	id, err := analyses.StartAnalysis(ctx, api.AnalysisWorkflowRequest{
		ExpressionData: in, Out: out, ShardOptions: api.ShardOptions{ShardCells: shardCells},
	})
	require.NoError(t, err)

	// Two shards are finished, and a part of the third one is.
	require.Eventually(t, func() bool {
		_, cells := passesIn(t, passes)
		return cells > 2*shardCells+shardCells/4 && len(shardFiles(t, out, id)) == 2
	}, longPatience(), time.Millisecond)
	pid := (&passLog{path: passes}).read(t).last
	require.NotZero(t, pid)
	require.True(t, processtest.Alive(pid))
	kill()
	require.Eventually(t, func() bool { return !processtest.Alive(pid) }, 5*time.Second, time.Millisecond, "process %d lives on", pid)
	files := shardFiles(t, out, id)
	finished, finishedCells := len(files), len(files)*shardCells
	if slices.ContainsFunc(files, func(path string) bool { return filepath.Base(path) == fmt.Sprintf("%06d.shard", shards-1) }) {
		finishedCells -= shards*shardCells - cells // the last one is smaller, and may be done early
	}
	before, cellsBefore := passesIn(t, passes)
	require.Less(t, finished, shards, "the kill came too late: all shards were finished")
	lost := cellsBefore - finishedCells
	require.Positive(t, lost, "the kill hit no running shard: %d shards were finished, %d cells computed", finished, cellsBefore)
	require.LessOrEqual(t, lost, shardCells, "more than one shard was being computed")
	status, err := analyses.Status(ctx, id)
	require.NoError(t, err)
	require.Equal(t, api.StatusRunning, status.Status)

	start(t, worker)
	result, err := analyses.Result(ctx, id)
	require.NoError(t, err)
	require.Equal(t, api.StatusComplete, result.Result.Status)
	require.Equal(t, shards, result.Result.Metadata.Shards)

	// Nothing that was finished is computed again.
	after, cellsAfter := passesIn(t, passes)
	require.Equal(t, cells+lost, cellsAfter, "cells in forward passes, those of the shard that was hit twice")
	t.Logf("killed after %d forward passes (%d cells, %d shards finished); %d passes in all (%d cells, of %d)",
		before, cellsBefore, finished, after, cellsAfter, cells)
	tries := attempts(t, c, id, api.EmbedShard.Name())
	require.Len(t, tries, shards)
	again := 0
	for _, n := range tries {
		again += n - 1
	}
	require.Positive(t, again)
	require.LessOrEqual(t, again, 2, "two slots: at most two shards were in flight")

	want := filepath.Join(dir, "undisturbed.h5ad")
	annotateDirectly(t, filepath.Join(models, model), in, want)
	requireSameFile(t, want, out)
	requireOnly(t, dir, append(annotated(out), in, want)...)
}

// One of two workers on the queue is killed in the middle of a shard: the other
// one takes it over, and the result is as it would have been.
func TestAnalysisSurvivesKillOfOneOfTwoWorkers(t *testing.T) {
	t.Parallel()
	const cells, shardCells = 559, 80
	models, model := bigModel(t)
	dir := t.TempDir()
	in := copyCells(t, "celltypist_sample.h5ad", dir)
	out := filepath.Join(dir, "result.h5ad")
	counts := t.TempDir()
	worker := func(name string) childWorker {
		return childWorker{
			Address: hostPort, TaskQueue: "two-kill-tasks", Models: models, Model: model, Root: dir, Threads: 1,
			Passes: filepath.Join(counts, name),
		}
	}
	stays, dies := worker("stays"), worker("dies")
	startWorker(t, stays)
	kill := startWorker(t, dies)

	c := clientTo(t, hostPort)
	analyses := api.NewClient(c, api.TemporalConfig{TaskQueue: stays.TaskQueue})
	ctx := within(t, longPatience())
	id, err := analyses.StartAnalysis(ctx, api.AnalysisWorkflowRequest{
		ExpressionData: in, Out: out, ShardOptions: api.ShardOptions{ShardCells: shardCells},
	})
	require.NoError(t, err)
	// A worker computes one shard at a time.
	require.Eventually(t, func() bool {
		_, n := passesIn(t, dies.Passes)
		return n%shardCells > shardCells/5
	}, longPatience(), time.Millisecond)
	kill()
	_, lost := passesIn(t, dies.Passes)
	require.NotZero(t, lost%shardCells, "the kill hit no running shard")

	result, err := analyses.Result(ctx, id)
	require.NoError(t, err)
	require.Equal(t, api.StatusComplete, result.Result.Status)
	_, byStays := passesIn(t, stays.Passes)
	t.Logf("%d cells computed by the worker that was killed, %d by the other, of %d", lost, byStays, cells)
	require.Equal(t, lost%shardCells, byStays+lost-cells, "cells computed twice: those of the shard that was hit")

	want := filepath.Join(dir, "undisturbed.h5ad")
	annotateDirectly(t, filepath.Join(models, model), in, want)
	requireSameFile(t, want, out)
	requireOnly(t, dir, append(annotated(out), in, want)...)
}
