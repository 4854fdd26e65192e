package scgpt

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

// annotateCellTypes is the activity annotate_cell_types. With a plan it labels
// the embeddings in the shard files, without one it computes them.
func (a *Agent) annotateCellTypes(ctx context.Context, req api.AnnotationRequest) (api.AnnotationResponse, error) {
	start := time.Now()
	var done, total atomic.Int64
	stop := agent.KeepAlive(ctx, func() api.Beat { return api.Beat{Done: int(done.Load()), Total: int(total.Load())} })
	defer stop()

	eng, in, err := a.annotationInput(ctx, req)
	if err != nil {
		return api.AnnotationResponse{}, err
	}
	out, err := a.outputPath(req.Out, annotatedName(in))
	if err != nil {
		return api.AnnotationResponse{}, err
	}
	if out == in {
		return api.AnnotationResponse{}, sameFile(req.ExpressionData)
	}
	cells, err := eng.Open(in, engineOptions(engine.Annotate, req.Cells))
	if err != nil {
		return api.AnnotationResponse{}, err
	}
	defer cells.Close()
	truth, err := cells.Truth(req.Cells.LabelColumn)
	if err != nil {
		return api.AnnotationResponse{}, err
	}

	var emb *engine.Embeddings
	classes := []string{eng.Class()}
	if req.Plan != nil {
		emb, classes, err = a.readShards(ctx, *req.Plan)
	} else {
		total.Store(int64(cells.Len()))
		err = a.useDevice(ctx, func() (err error) {
			emb, err = cells.Embed(ctx, 0, cells.Len(), func(n int) { done.Store(int64(n)) })
			return err
		})
	}
	if err != nil {
		return api.AnnotationResponse{}, err
	}
	labels, err := eng.Label(emb)
	if err != nil {
		return api.AnnotationResponse{}, err
	}
	device := deviceOf(classes)
	if err := storage.MakeFolder(out); err != nil {
		return api.AnnotationResponse{}, err
	}
	if err := cells.WriteAnnotated(ctx, out, emb, labels, engine.Provenance{
		Agent: "scgpt", Version: Version, Model: eng.Name(), Fingerprint: eng.Fingerprint(), Device: device,
	}); err != nil {
		return api.AnnotationResponse{}, err
	}
	s := labels.Summary()
	res := api.AnnotationResponse{
		UniqueTypes: s.Types, Counts: s.Counts, MeanConfidence: s.MeanConfidence, TypeConfidence: s.TypeConfidence,
		Cells: cells.Len(), EmptyCells: len(emb.Empty), TruncatedCells: emb.Truncated, Tokens: emb.Tokens,
		GeneMatch: geneMatch(cells), Out: out, Model: eng.Name(), Fingerprint: eng.Fingerprint(),
		Device: device, Precision: engine.PrecisionOf(device),
	}
	if truth != nil {
		scores, err := truth.Score(labels)
		if err != nil {
			return api.AnnotationResponse{}, err
		}
		res.Truth = &api.Truth{Column: truth.Column, Cells: scores.Cells, Counts: scores.Counts, Accuracy: scores.Accuracy, MacroF1: scores.MacroF1}
	}
	res.Seconds = time.Since(start).Seconds()
	return res, nil
}

// annotationInput opens the model and resolves the input; with a plan, it makes
// sure that both are the plan's.
func (a *Agent) annotationInput(ctx context.Context, req api.AnnotationRequest) (*engine.Engine, string, error) {
	if req.Plan != nil {
		return a.planned(ctx, *req.Plan)
	}
	eng, err := a.model(req.Model)
	if err != nil {
		return nil, "", err
	}
	if err := eng.CanLabel(); err != nil {
		return nil, "", err
	}
	in, err := a.roots.Input(req.ExpressionData)
	return eng, in, err
}

// deviceOf names the device classes of a result.
func deviceOf(classes []string) string {
	classes = slices.Clone(classes)
	slices.Sort(classes)
	return strings.Join(slices.Compact(classes), "+")
}
