package scgpt

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	fooapi "github.com/seed-ab6af24b/troupe/foogpt/api"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
)

// clusterCells is the activity cluster_cells.
func (a *Agent) clusterCells(ctx context.Context, req api.ClusterRequest) (api.ClusterResponse, error) {
	b := newBeats(ctx)
	defer b.stop()
	path, err := a.roots.Input(req.Annotated)
	if err != nil {
		return api.ClusterResponse{}, err
	}
	c, err := engine.ClusterUnassigned(ctx, path, engine.ClusterOptions{
		Layer: req.Layer, GeneColumn: req.GeneColumn, Resolution: req.Resolution, MinCells: req.MinCells, Threads: a.opts.Threads,
	})
	if err != nil {
		return api.ClusterResponse{}, err
	}
	res := api.ClusterResponse{UnassignedCells: c.Unassigned, Clusters: []api.Cluster{}, Warnings: c.Warnings}
	for i, n := range c.Cells {
		res.Clusters = append(res.Clusters, api.Cluster{ID: fmt.Sprintf("u%d", i), Cells: n, Genes: c.Genes[i]})
	}
	if len(res.Clusters) == 0 {
		return res, nil
	}
	if res.Assignments, err = a.roots.Output(beside(path, ".clusters.csv")); err != nil {
		return res, err
	}
	return res, writeAssignments(res.Assignments, c.Of, res.Clusters)
}

// nameCells is the activity name_cells. The clusters are those of the .csv file,
// so that a file that has changed since is not given wrong ones.
func (a *Agent) nameCells(ctx context.Context, req api.NameCellsRequest) (api.NamedCells, error) {
	b := newBeats(ctx)
	defer b.stop()
	path, err := a.roots.Output(req.Annotated)
	if err != nil {
		return api.NamedCells{}, err
	}
	table, err := a.roots.Input(req.Assignments)
	if err != nil {
		return api.NamedCells{}, err
	}
	of, err := readAssignments(table, len(req.Clusters))
	if err != nil {
		return api.NamedCells{}, err
	}
	names := make([]engine.ClusterName, len(req.Clusters))
	for i, c := range req.Clusters {
		names[i] = engine.ClusterName{ID: c.ID, Name: c.Name, Confidence: c.Confidence}
	}
	if err := engine.WriteClusterNames(ctx, path, of, names); err != nil {
		return api.NamedCells{}, err
	}
	n := 0
	for _, k := range of {
		if k >= 0 {
			n++
		}
	}
	return api.NamedCells{Cells: n}, writeAssignments(table, of, req.Clusters)
}

var assignmentsHeader = []string{"cell", "cluster", "name", "confidence"}

// writeAssignments writes the cluster of every cell: its number in the file, the
// cluster and its name. of has the number of the cluster, -1 where there is none.
func writeAssignments(path string, of []int, clusters []api.Cluster) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".troupe-*.csv")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	w := csv.NewWriter(f)
	_ = w.Write(assignmentsHeader)
	for cell, k := range of {
		row := []string{strconv.Itoa(cell), "", "", ""}
		if k >= 0 {
			c := clusters[k]
			row[1], row[2] = c.ID, c.Name
			if c.Name != "" {
				row[3] = strconv.FormatFloat(c.Confidence, 'g', 6, 64)
			}
		}
		_ = w.Write(row)
	}
	w.Flush() // holds the first error of the writes above
	if err = errors.Join(w.Error(), f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// readAssignments reads what writeAssignments wrote for so many clusters.
func readAssignments(path string, clusters int) (of []int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord, r.ReuseRecord = len(assignmentsHeader), true
	if _, err := r.Read(); err != nil {
		return nil, retry.InvalidData.Errorf("%s: %w", path, err)
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return of, nil
		}
		if err != nil {
			return nil, retry.InvalidData.Errorf("%s: %w", path, err)
		}
		k := -1
		if row[1] != "" {
			if _, err := fmt.Sscanf(row[1], "u%d", &k); err != nil || k < 0 || k >= clusters {
				return nil, retry.InvalidData.Errorf("%s: cell %s is of the cluster %q, but there are %d", path, row[0], row[1], clusters)
			}
		}
		of = append(of, k)
	}
}

// namingTimeout bounds the wait for names: an analysis must not hang where no
// worker of foogpt is there.
const namingTimeout = 5 * time.Minute

// nameClusters finds clusters among the cells without a label and has foogpt, on
// its own queue, name them. That any of it fails is told in the result; the analysis
// does not depend on it. A cancellation is returned.
func (r *cellRun) nameClusters(ctx workflow.Context, req api.AnalysisWorkflowRequest, annotation api.AnnotationResponse) (*api.ClusterNames, error) {
	r.enter(ctx, api.PhaseNaming)
	annotated := annotation.Out
	found, err := api.ClusterCells.Execute(ctx, api.ClusterRequest{
		Annotated: annotated, Layer: req.Cells.Layer, GeneColumn: req.Cells.GeneColumn,
	}, r.timeout(), agent.Summary("clusters of the cells without a label"))
	if err != nil {
		res := &api.ClusterNames{UnassignedCells: annotation.UnassignedCells, Clusters: []api.Cluster{}}
		return withProblem(ctx, res, "the cells without a label were not clustered", err)
	}
	res := &api.ClusterNames{UnassignedCells: found.UnassignedCells, Clusters: found.Clusters, Assignments: found.Assignments, Warnings: found.Warnings}
	naming := fooapi.NameClustersRequest{Tissue: req.Tissue}
	for _, c := range found.Clusters {
		if len(c.Genes) > 0 {
			naming.Clusters = append(naming.Clusters, fooapi.Cluster{ID: c.ID, Genes: c.Genes})
		}
	}
	if len(naming.Clusters) == 0 {
		return res, nil
	}
	named, err := fooapi.Naming.Execute(ctx, naming, asChild(workflow.GetInfo(ctx).WorkflowExecution.ID+"-naming", "name clusters of cells without a label"),
		func(o *workflow.ChildWorkflowOptions) {
			o.WorkflowExecutionTimeout = namingTimeout
			o.ParentClosePolicy = enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL
		})
	switch {
	case temporal.IsCanceledError(err):
		return nil, err
	case err != nil:
		res.Problem = fmt.Sprintf("foogpt did not name the clusters: %s", retry.Message(err))
		return res, nil
	}
	res.Method = named.Method
	names := map[string]fooapi.ClusterName{}
	for _, n := range named.Names {
		names[n.ID] = n
	}
	for i := range res.Clusters {
		n := names[res.Clusters[i].ID]
		res.Clusters[i].Name, res.Clusters[i].Confidence, res.Clusters[i].Evidence = n.Name, n.Confidence, n.Evidence
	}
	_, err = api.NameCells.Execute(ctx, api.NameCellsRequest{Annotated: annotated, Assignments: found.Assignments, Clusters: res.Clusters},
		r.timeout(), agent.Summary("write the names of clusters"))
	if err != nil {
		return withProblem(ctx, res, "the names of clusters were not written to the annotated copy", err)
	}
	return res, nil
}

// withProblem has an analysis go on without clusters or their names. A cancellation
// is returned, and in a history of before this was so every error.
func withProblem(ctx workflow.Context, res *api.ClusterNames, what string, err error) (*api.ClusterNames, error) {
	if temporal.IsCanceledError(err) || workflow.GetVersion(ctx, "clusters-are-optional", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return nil, err
	}
	res.Problem = fmt.Sprintf("%s: %s", what, retry.Message(err))
	return res, nil
}
