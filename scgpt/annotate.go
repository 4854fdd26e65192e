package scgpt

import (
	"context"
	"time"

	"github.com/seed-ab6af24b/troupe/agent/memo"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/reference"
	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

// annotationParams are what an annotation depends on beside model, device and
// input.
type annotationParams struct {
	Options     engine.Options   `json:"options"`
	Reference   string           `json:"reference,omitempty"`
	Labels      api.LabelOptions `json:"labels"`
	LabelColumn string           `json:"label_column,omitempty"`
	Report      *reportParams    `json:"report,omitempty"`
}

// annotateCellTypes is the activity annotate_cell_types. With a plan it labels
// the embeddings in the shard files, without one it computes them.
func (a *Agent) annotateCellTypes(ctx context.Context, req api.AnnotationRequest) (api.AnnotationResponse, error) {
	start := time.Now()
	b := newBeats(ctx)
	defer b.stop()
	j, err := a.resolve(ctx, query{
		task: api.TaskAnnotate, data: req.ExpressionData, model: req.Model, reference: req.ReferenceDataset,
		out: req.Out, suffix: annotatedSuffix, cells: req.Cells, neighbors: req.Labels.Neighbors, plan: req.Plan, noMemo: req.NoMemo,
	})
	if err != nil {
		return api.AnnotationResponse{}, err
	}
	emb, err := a.stored(ctx, j, b)
	if err != nil {
		return api.AnnotationResponse{}, err
	}
	params := annotationParams{Options: j.opts, Labels: req.Labels, LabelColumn: req.Cells.LabelColumn}
	if j.ref != nil {
		params.Reference = j.ref.Fingerprint()
	}
	if params.Report, err = a.reportParams(ctx, j, req); err != nil {
		return api.AnnotationResponse{}, err
	}
	device, store := j.memoOf(emb)
	files := outputsOf(j.out, req.NoReport)
	res, hit, err := memo.Do(ctx, store, j.key(api.AnnotateCellTypes.Name(), device, params), files.list(),
		func(ctx context.Context, paths []string) (api.AnnotationResponse, error) {
			return a.annotate(ctx, j, req, emb, b, outputsAt(paths))
		})
	if err != nil {
		return api.AnnotationResponse{}, err
	}
	res.Out, res.Report, res.CSV = files.out, files.report, files.csv
	res.FromMemo, res.Seconds = hit, time.Since(start).Seconds()
	res.Accelerator = a.accelerator()
	return res, nil
}

const annotatedSuffix = ".annotated.h5ad"

// annotate labels the cells and writes the annotated copy and what belongs to it.
// emb is nil where it has to be computed.
func (a *Agent) annotate(ctx context.Context, j job, req api.AnnotationRequest, emb *embedding, b *beats, files outputs) (api.AnnotationResponse, error) {
	var none api.AnnotationResponse
	cells, truth, emb, err := a.cellsOf(ctx, j, emb, b, func(cells *engine.Cells) (*engine.Truth, error) {
		truth, err := cells.Truth(req.Cells.LabelColumn, j.types())
		if err != nil {
			return nil, err
		}
		return truth, a.checkBaseline(j, req.BaselineData, truth)
	})
	if err != nil {
		return none, err
	}
	defer cells.Close()
	labels, err := a.label(ctx, j, emb, req.Labels)
	if err != nil {
		return none, err
	}
	if err := storage.MakeFolder(files.out); err != nil {
		return none, err
	}
	if err := cells.WriteAnnotated(ctx, files.out, emb.Embeddings, labels, j.provenance(emb.device, j.method())); err != nil {
		return none, err
	}
	s := labels.Summary()
	res := api.AnnotationResponse{
		Method: j.method(), UniqueTypes: s.Types, Counts: s.Counts, UnassignedCells: s.Counts[api.Unassigned],
		MeanConfidence: s.MeanConfidence, TypeConfidence: s.TypeConfidence,
		Cells: cells.Len(), EmptyCells: len(emb.Empty), TruncatedCells: emb.Truncated, Tokens: emb.Tokens,
		GeneMatch: geneMatch(cells), Model: j.eng.Name(), Fingerprint: j.eng.Fingerprint(),
		Device: emb.device, Precision: engine.PrecisionOf(emb.device), BatchTokens: j.eng.BatchTokens(),
	}
	if j.ref != nil {
		res.ReferenceDataset, res.ReferenceFingerprint = j.ref.Name, j.ref.Fingerprint()
	}
	if truth != nil {
		scores, err := truth.Score(labels)
		if err != nil {
			return none, err
		}
		res.Truth = &api.Truth{Column: truth.Column, Cells: scores.Cells, Counts: scores.Counts, Accuracy: scores.Accuracy, MacroF1: scores.MacroF1}
	}
	baseline, err := a.baseline(ctx, j, req.BaselineData, truth)
	if err != nil {
		return none, err
	}
	if res.Baseline, err = scoreOf(baseline, truth); err != nil {
		return none, err
	}
	if files.report != "" {
		if err := a.writeReport(ctx, j, req, b, files, described{cells, emb, labels, truth, baseline}); err != nil {
			return none, err
		}
	}
	replaced, err := cells.Replaced(ctx, true)
	res.Warnings = append(cells.Warnings(baseline), replaced...)
	return res, err
}

// types are those that labels are chosen from.
func (j job) types() []string {
	if j.ref != nil {
		return j.ref.TypeNames()
	}
	return j.eng.Labels()
}

func (a *Agent) label(ctx context.Context, j job, emb *embedding, o api.LabelOptions) (*engine.Labels, error) {
	if j.ref != nil {
		return j.ref.Label(ctx, emb.Embeddings, reference.LabelOptions{
			Neighbors: o.Neighbors, MinConfidence: o.MinConfidence, Threads: a.opts.Threads,
		})
	}
	labels, err := j.eng.Label(emb.Embeddings)
	if err != nil {
		return nil, err
	}
	labels.Threshold(o.MinConfidence)
	return labels, nil
}

// cellsOf opens the job's file and, unless there is an embedding already,
// computes it: both when it is its turn on the device, so that waiting holds
// neither files nor memory. check, if not nil, is run on the file before. The
// caller closes the cells.
func (a *Agent) cellsOf(ctx context.Context, j job, emb *embedding, b *beats, check func(*engine.Cells) (*engine.Truth, error)) (cells *engine.Cells, truth *engine.Truth, _ *embedding, err error) {
	defer func() {
		if err != nil && cells != nil {
			_ = cells.Close()
		}
	}()
	open := func() (err error) {
		if cells, err = j.eng.Open(j.in, j.opts); err == nil && check != nil {
			truth, err = check(cells)
		}
		return err
	}
	if emb != nil {
		err = open()
		return cells, truth, emb, err
	}
	err = a.useDevice(ctx, b, func() error {
		if err := open(); err != nil {
			return err
		}
		b.total.Store(int64(cells.Len()))
		computed, err := cells.Embed(ctx, 0, cells.Len(), b.progress)
		emb = &embedding{computed, j.eng.Class()}
		return err
	})
	return cells, truth, emb, err
}
