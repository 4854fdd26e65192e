package integration

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/foogpt"
	fooapi "github.com/seed-ab6af24b/troupe/foogpt/api"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
)

const (
	testModels = "../testdata/models"
	testModel  = "tiny_scgpt"
)

// childWorkerConfig, set to a childWorker in JSON, makes the test binary a scgpt
// worker, for tests that kill one.
const childWorkerConfig = "TROUPE_TEST_WORKER"

type childWorker struct {
	Address, TaskQueue, Models, Model, Root string
	Memo                                    string
	Threads                                 int
	// Passes is a file that has a line for each forward pass.
	Passes string
	// User, if not 0, is the one whose rights the worker has.
	User int
}

// workChild runs the worker until standard input ends.
func workChild(config string) int {
	var c childWorker
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if c.User != 0 {
		err := becomeUser(c.User)
		if err == nil {
			err = os.Setenv("HOME", c.Root) // root's is not for everybody
		}
		worker.SetBinaryChecksum("test") // nor is the executable, which the SDK would read
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	reg := newRegistry(c.Address)
	o := scgpt.Options{
		Models: c.Models, DefaultModel: cmp.Or(c.Model, testModel), Roots: []string{c.Root}, Threads: c.Threads, Memo: c.Memo, Logger: silent,
	}
	if c.Passes != "" {
		o.Device, countedPasses.file = "counted", c.Passes
	}
	err := reg.Register(onQueue(scgpt.New(o), c.TaskQueue))
	if err == nil {
		err = reg.Run(untilInputEnds())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// untilInputEnds is a context that ends with standard input.
func untilInputEnds() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		cancel()
	}()
	return ctx
}

// startWorker starts a worker in a process of its own; kill is SIGKILL.
func startWorker(t *testing.T, c childWorker) (kill func()) {
	t.Helper()
	return startProgram(t, childWorkerConfig, c)
}

// startProgram starts the test binary as the program that the variable makes of it;
// kill is SIGKILL.
func startProgram(t *testing.T, variable string, c childWorker) (kill func()) {
	t.Helper()
	config, err := json.Marshal(c)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), variable+"="+string(config))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	killed := false
	kill = func() {
		if !killed {
			killed = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			_ = stdin.Close()
		}
	}
	t.Cleanup(kill)
	return kill
}

// onQueue moves the scgpt agent to a queue of the test's own.
func onQueue(a *scgpt.Agent, queue string) *scgpt.Agent {
	a.Base = a.OnTaskQueue(queue)
	return a
}

// copyCells puts a file of sample cells into the folder.
func copyCells(t *testing.T, name, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../testdata/cells", name))
	require.NoError(t, err)
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, data, 0o644))
	return path
}

// annotateDirectly is what an analysis must write, computed without Temporal
// and in one piece.
func annotateDirectly(t *testing.T, model, in, out string) {
	t.Helper()
	dev, err := compute.Open("cpu", compute.Options{})
	require.NoError(t, err)
	defer dev.Close()
	eng, err := engine.Load(model, dev)
	require.NoError(t, err)
	defer eng.Close()
	cells, err := eng.Open(in, engine.Options{Task: engine.Annotate})
	require.NoError(t, err)
	defer cells.Close()
	emb, err := cells.Embed(t.Context(), 0, cells.Len(), nil)
	require.NoError(t, err)
	labels, err := eng.Label(emb)
	require.NoError(t, err)
	require.NoError(t, cells.WriteAnnotated(t.Context(), out, emb, labels, engine.Provenance{
		Agent: "scgpt", Version: scgpt.Version, Model: eng.Name(), Fingerprint: eng.Fingerprint(), Device: eng.Class(), Method: api.MethodClassifier,
	}))
}

// shardFiles lists the finished shards of an analysis.
func shardFiles(t *testing.T, out, id string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(out+".shards", id, "*.shard"))
	require.NoError(t, err)
	return files
}

// attempts returns, from a workflow's history, the attempts that each of the
// activities of some types, or of all, took, if it was taken by a worker.
func attempts(t *testing.T, c client.Client, id string, types ...string) (list []int) {
	t.Helper()
	scheduled := map[int64]bool{}
	history := c.GetWorkflowHistory(t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		e, err := history.Next()
		require.NoError(t, err)
		if a := e.GetActivityTaskScheduledEventAttributes(); a != nil && (len(types) == 0 || slices.Contains(types, a.GetActivityType().GetName())) {
			scheduled[e.GetEventId()] = true
		}
		if a := e.GetActivityTaskStartedEventAttributes(); a != nil && scheduled[a.GetScheduledEventId()] {
			list = append(list, int(a.GetAttempt()))
		}
	}
	return list
}

func requireSameFile(t *testing.T, want, got string) {
	t.Helper()
	a, err := os.ReadFile(want)
	require.NoError(t, err)
	b, err := os.ReadFile(got)
	require.NoError(t, err)
	// Not require.Equal, which would print both.
	if !bytes.Equal(a, b) {
		require.Fail(t, "files differ", "%s (%d bytes) and %s (%d bytes)", want, len(a), got, len(b))
	}
}

// annotated are an annotated copy, and the page and the table beside it.
func annotated(out string) []string {
	stem := strings.TrimSuffix(out, ".h5ad")
	return []string{out, stem + ".report.html", stem + ".cells.csv"}
}

// requireOnly makes sure that nothing else was left in the folder.
func requireOnly(t *testing.T, dir string, paths ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var there []string
	for _, e := range entries {
		there = append(there, filepath.Join(dir, e.Name()))
	}
	require.ElementsMatch(t, paths, there)
}

func TestBadInputIsFinalAndLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := copyCells(t, "pbmc68k_test.h5ad", dir)
	text := filepath.Join(dir, "text.h5ad")
	require.NoError(t, os.WriteFile(text, []byte("not HDF5, though named so"), 0o644))
	const queue = "bad-input-tasks"
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(onQueue(scgpt.New(scgpt.Options{
		Models: testModels, DefaultModel: testModel, Roots: []string{dir}, Logger: silent,
	}), queue)))
	run(t, reg)
	c := clientTo(t, hostPort)
	analyses := api.NewClient(c, api.TemporalConfig{TaskQueue: queue})
	cases := []struct {
		name  string
		req   api.AnalysisWorkflowRequest
		class retry.Class
		want  string
	}{
		{"missing file", api.AnalysisWorkflowRequest{ExpressionData: "none.h5ad"}, retry.FileNotFound, "none.h5ad"},
		{"not HDF5", api.AnalysisWorkflowRequest{ExpressionData: text}, retry.InvalidData, "text.h5ad"},
		{"a folder", api.AnalysisWorkflowRequest{ExpressionData: dir}, retry.InvalidData, "a folder without matrix.mtx"},
		{"unknown model", api.AnalysisWorkflowRequest{ExpressionData: in, Model: "scGPT_mouse"}, retry.ModelNotFound, `there is no model "scGPT_mouse"`},
		{"model by path", api.AnalysisWorkflowRequest{ExpressionData: in, Model: "../models/tiny_scgpt"}, retry.ModelNotFound, "there is no model"},
		{"model without classes", api.AnalysisWorkflowRequest{ExpressionData: in, Model: "tiny_scgpt_dsbn"}, retry.InvalidData, "no classifier head"},
		{"outside of the roots", api.AnalysisWorkflowRequest{ExpressionData: "/etc/passwd"}, retry.InvalidData, "lies outside"},
		{"output outside", api.AnalysisWorkflowRequest{ExpressionData: in, Out: "/x.h5ad"}, retry.InvalidData, "lies outside"},
		{"output is input", api.AnalysisWorkflowRequest{ExpressionData: in, Out: in}, retry.InvalidData, "out is the input itself"},
		{"no such layer", api.AnalysisWorkflowRequest{ExpressionData: in, Cells: api.CellOptions{Layer: "none"}}, retry.InvalidData, "none"},
		{"no such column", api.AnalysisWorkflowRequest{ExpressionData: in, Cells: api.CellOptions{GeneColumn: "none"}}, retry.InvalidData, `no column "none"`},
		{"no such label column", api.AnalysisWorkflowRequest{ExpressionData: in, Cells: api.CellOptions{LabelColumn: "none"}}, retry.InvalidData, `no column "none"`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			id, err := analyses.StartAnalysis(within(t, patience), tc.req)
			require.NoError(t, err)
			_, err = analyses.Result(within(t, patience), id)
			require.ErrorContains(t, err, tc.want)
			class, _ := retry.ClassOf(err)
			require.Equal(t, tc.class, class)
			for _, activityType := range []string{api.PlanCells.Name(), api.AnnotateCellTypes.Name()} {
				for _, n := range attempts(t, c, id, activityType) {
					require.Equal(t, 1, n, "%s was tried again", activityType)
				}
			}
			requireOnly(t, dir, in, text)
		})
	}
}

// One agent's trouble stays its own: foogpt answers while scgpt cannot start,
// and after scgpt is gone.
func TestFoogptAnswersWithoutScgpt(t *testing.T) {
	t.Parallel()
	foo := foogpt.New()
	foo.Base = foo.OnTaskQueue("foogpt-alone-tasks")
	broken := onQueue(scgpt.New(scgpt.Options{Models: testModels, DefaultModel: testModel, Roots: []string{"no/such/folder"}, Logger: silent}), "broken-tasks")
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(foo))
	require.NoError(t, reg.Register(broken))
	run(t, reg)
	c := clientTo(t, hostPort)
	ask := func() {
		started, err := fooapi.Naming.Start(within(t, patience), c, bCells(), onFooQueue)
		require.NoError(t, err)
		named, err := started.Get(within(t, patience))
		require.NoError(t, err)
		require.Contains(t, named.Names[0].Name, "B")
	}
	require.NoError(t, reg.WaitReady(within(t, patience), foo.Name()))
	require.Eventually(t, func() bool {
		s, err := reg.AgentStatus(broken.Name())
		return err == nil && s.LastError != nil
	}, patience, 10*time.Millisecond)
	s, err := reg.AgentStatus(broken.Name())
	require.NoError(t, err)
	require.False(t, s.Ready)
	require.ErrorContains(t, s.LastError, "no/such/folder")
	ask()
	require.NoError(t, reg.Remove(within(t, patience), broken.Name()))
	ask()

	working := onQueue(scgpt.New(scgpt.Options{Models: testModels, DefaultModel: testModel, Roots: []string{t.TempDir()}, Logger: silent}), "working-tasks")
	require.NoError(t, reg.Register(working))
	require.NoError(t, reg.WaitReady(within(t, patience), working.Name()))
	require.NoError(t, reg.Remove(within(t, patience), working.Name()))
	ask()
}

func onFooQueue(o *client.StartWorkflowOptions) { o.TaskQueue = "foogpt-alone-tasks" }

func bCells() fooapi.NameClustersRequest {
	return fooapi.NameClustersRequest{Clusters: []fooapi.Cluster{{ID: "0", Genes: []string{"CD79A", "MS4A1", "CD79B"}}}}
}

// Without a worker, a workflow waits, and its status says so.
func TestUnattended(t *testing.T) {
	t.Parallel()
	c := clientTo(t, hostPort)
	dir := t.TempDir()
	analyses := api.NewClient(c, api.TemporalConfig{TaskQueue: "unattended-tasks"})
	ctx := within(t, patience)
	polled, err := analyses.Polled(ctx)
	require.NoError(t, err)
	require.False(t, polled)
	id, err := analyses.StartAnalysis(ctx, api.AnalysisWorkflowRequest{ExpressionData: copyCells(t, "pbmc68k_test.h5ad", dir), Out: filepath.Join(dir, "out.h5ad")})
	require.NoError(t, err)
	status, err := analyses.Status(ctx, id)
	require.NoError(t, err)
	require.Equal(t, api.StatusRunning, status.Status)
	require.True(t, status.Unattended)

	scgptOn(t, "unattended-tasks", scgpt.Options{Models: testModels, DefaultModel: testModel, Roots: []string{dir}})
	_, err = analyses.Result(ctx, id)
	require.NoError(t, err)
	polled, err = analyses.Polled(ctx)
	require.NoError(t, err)
	require.True(t, polled)
	status, err = analyses.Status(ctx, id)
	require.NoError(t, err)
	require.False(t, status.Unattended)
}
