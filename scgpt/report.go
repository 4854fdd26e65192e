package scgpt

import (
	"context"
	"path/filepath"

	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
)

// outputs are the paths of an annotated copy, and of the page and table beside it,
// "" where none are wanted.
type outputs struct{ out, report, csv string }

// The endings of what lies beside an annotated copy.
const (
	reportSuffix = ".report.html"
	tableSuffix  = ".cells.csv"
)

func outputsOf(out string, noReport bool) outputs {
	if noReport {
		return outputs{out: out}
	}
	return outputs{out, beside(out, reportSuffix), beside(out, tableSuffix)}
}

func (o outputs) list() []string {
	if o.report == "" {
		return []string{o.out}
	}
	return []string{o.out, o.report, o.csv}
}

// outputsAt is the way back from a list.
func outputsAt(paths []string) outputs {
	if len(paths) == 1 {
		return outputs{out: paths[0]}
	}
	return outputs{paths[0], paths[1], paths[2]}
}

// reportParams are what a report depends on beside an annotation.
type reportParams struct {
	Title    string   `json:"title,omitempty"`
	Genes    []string `json:"genes,omitempty"`
	Baseline string   `json:"baseline,omitempty"`
}

// reportParams returns nil where neither a report nor a baseline is wanted.
func (a *Agent) reportParams(ctx context.Context, j job, req api.AnnotationRequest) (*reportParams, error) {
	if req.NoReport && req.BaselineData == "" {
		return nil, nil
	}
	p := &reportParams{}
	if !req.NoReport {
		p.Title, p.Genes = filepath.Base(j.in), genesOf(req)
	}
	if req.BaselineData != "" {
		var err error
		if _, p.Baseline, err = a.data(ctx, req.BaselineData); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func genesOf(req api.AnnotationRequest) []string {
	if len(req.Genes) == 0 {
		return api.CommonMarkers()
	}
	return req.Genes
}

// baselineData resolves the file of a baseline, "" where none is asked for. truth
// is what it will be compared with.
func (a *Agent) baselineData(data string, truth *engine.Truth) (string, error) {
	if data == "" {
		return "", nil
	}
	path, err := a.roots.Input(data)
	if err != nil {
		return "", err
	}
	if truth == nil {
		return "", retry.InvalidData.Errorf("baseline_data is %s, but the cells have no true types to compare with: name their column in cells.label_column, or leave it out", data)
	}
	return path, nil
}

// baselineOptions has the baseline read as the job's cells are.
func (a *Agent) baselineOptions(j job, truth *engine.Truth) engine.BaselineOptions {
	return engine.BaselineOptions{TruthColumn: truth.Column, Layer: j.opts.Layer, GeneColumn: j.opts.GeneColumn, Threads: a.opts.Threads}
}

// checkBaseline finds out early what would keep a baseline from labelling the cells.
func (a *Agent) checkBaseline(j job, data string, truth *engine.Truth) error {
	path, err := a.baselineData(data, truth)
	if err != nil || path == "" {
		return err
	}
	return readError(path, engine.CheckBaseline(path, j.in, a.baselineOptions(j, truth)))
}

// baseline labels the cells in the simple way, nil where that is not asked for.
func (a *Agent) baseline(ctx context.Context, j job, data string, truth *engine.Truth) (*engine.Baseline, error) {
	path, err := a.baselineData(data, truth)
	if err != nil || path == "" {
		return nil, err
	}
	return engine.NewBaseline(ctx, path, j.in, a.baselineOptions(j, truth))
}

func scoreOf(b *engine.Baseline, truth *engine.Truth) (*api.Baseline, error) {
	if b == nil {
		return nil, nil
	}
	s, err := truth.Score(b.Labels)
	if err != nil {
		return nil, err
	}
	return &api.Baseline{Data: b.Reference, Method: b.String(), Accuracy: s.Accuracy, MacroF1: s.MacroF1}, nil
}

// described is what a report is about.
type described struct {
	cells    *engine.Cells
	emb      *embedding
	labels   *engine.Labels
	truth    *engine.Truth
	baseline *engine.Baseline
}

// writeReport writes the page and the table of an annotation.
func (a *Agent) writeReport(ctx context.Context, j job, req api.AnnotationRequest, b *beats, files outputs, d described) error {
	o := engine.ReportOptions{
		Truth: d.truth, Baseline: d.baseline, Genes: genesOf(req), Options: j.opts, Input: j.sum, Provenance: j.provenance(d.emb.device, j.method()), Threads: a.opts.Threads,
	}
	if j.ref != nil {
		o.Reference = j.ref.Name
	}
	if known := j.eng.Known(o.Genes); len(known) > 0 {
		err := a.useDevice(ctx, b, func() (err error) {
			o.Vectors, err = j.eng.Genes(known)
			return err
		})
		if err != nil {
			return err
		}
	}
	r, err := d.cells.Report(ctx, d.emb.Embeddings, d.labels, o)
	if err != nil {
		return err
	}
	if err := r.SaveHTML(ctx, files.report); err != nil {
		return err
	}
	return r.SaveCSV(ctx, files.csv)
}
