package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/reference"
)

// annotateResult is what annotate --json prints.
type annotateResult struct {
	embedResult
	UniqueTypes     []string       `json:"unique_types"`
	Counts          map[string]int `json:"counts"`
	UnassignedCells int            `json:"unassigned_cells"`
	MeanConfidence  float64        `json:"mean_confidence"`
	Accuracy        *float64       `json:"accuracy,omitempty"`
	MacroF1         *float64       `json:"macro_f1,omitempty"`
	Baseline        *api.Baseline  `json:"baseline,omitempty"`
	Report          string         `json:"report,omitempty"`
	CSV             string         `json:"csv,omitempty"`
}

// annotateFlags are the flags of annotate.
type annotateFlags struct {
	directFlags
	referenceFlags
	labels  labelFlags
	reports reportFlags
}

func (a *app) annotateCommand() *cobra.Command {
	var f annotateFlags
	cmd := &cobra.Command{
		Use: "annotate", Short: "Label the cells of a file, without Temporal", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			if err := f.labels.check(cmd); err != nil {
				return err
			}
			if err := f.reports.check(f.out); err != nil {
				return err
			}
			return a.annotate(cmd.Context(), f)
		},
	}
	f.directFlags.register(cmd, engine.Annotate)
	f.referenceFlags.register(cmd)
	f.labels.register(cmd)
	f.reports.register(cmd, "")
	f.reports.registerPaths(cmd)
	f.cells.registerLabels(cmd)
	return cmd
}

func (a *app) annotate(ctx context.Context, f annotateFlags) error {
	return a.withModel(f.directFlags, func(d direct) error {
		opts, ref, err := f.labelling(ctx, d.eng)
		if err != nil {
			return err
		}
		types := d.eng.Labels()
		if ref != nil {
			types = ref.TypeNames()
		}
		return d.open(f.directFlags, opts, func(cells *engine.Cells) error {
			truth, err := cells.Truth(f.cells.LabelColumn, types)
			if err != nil {
				return err
			}
			if err := f.checkFiles(opts, truth); err != nil {
				return err
			}
			emb, base, err := d.embedAll(ctx, a, cells)
			if err != nil {
				return err
			}
			labels, err := f.label(ctx, d.eng, ref, emb)
			if err != nil {
				return err
			}
			if err := cells.WriteAnnotated(ctx, f.out, emb, labels, labelProvenance(d.eng, ref)); err != nil {
				return err
			}
			baseline, warnings, err := f.writeReport(ctx, d, opts, ref, truth, cells, emb, labels)
			if err != nil {
				return err
			}
			replaced, err := cells.Replaced(ctx, true)
			if err != nil {
				return err
			}
			base.Out, base.PeakRSSMB, base.Warnings = f.out, peakRSS(), append(warnings, replaced...)
			return a.showAnnotation(d, f, base, labels, truth, baseline)
		})
	})
}

// labelling returns how cells become tokens, and the reference, nil without one.
func (f annotateFlags) labelling(ctx context.Context, eng *engine.Engine) (opts engine.Options, ref *reference.Reference, err error) {
	opts = f.cells.options(engine.Annotate)
	if f.labels.reference == "" {
		return opts, nil, eng.CanLabel()
	}
	folder, err := f.referenceFolder()
	if err != nil {
		return opts, nil, err
	}
	dir, err := reference.Find(folder, f.labels.reference)
	if err != nil {
		return opts, nil, err
	}
	if ref, err = reference.Open(ctx, dir); err != nil {
		return opts, nil, err
	}
	if err := errors.Join(ref.Check(eng), ref.CheckNeighbors(f.labels.Neighbors)); err != nil {
		return opts, nil, err
	}
	opts, err = ref.QueryOptions(opts)
	return opts, ref, err
}

func (f annotateFlags) label(ctx context.Context, eng *engine.Engine, ref *reference.Reference, emb *engine.Embeddings) (*engine.Labels, error) {
	if ref != nil {
		return ref.Label(ctx, emb, reference.LabelOptions{Neighbors: f.labels.Neighbors, MinConfidence: f.labels.MinConfidence, Threads: f.threads})
	}
	labels, err := eng.Label(emb)
	if err != nil {
		return nil, err
	}
	labels.Threshold(f.labels.MinConfidence)
	return labels, nil
}

func (a *app) showAnnotation(d direct, f annotateFlags, base embedResult, labels *engine.Labels, truth *engine.Truth, baseline *api.Baseline) error {
	s := labels.Summary()
	res := annotateResult{
		embedResult: base, UniqueTypes: s.Types, Counts: s.Counts, UnassignedCells: s.Counts[engine.Unassigned], MeanConfidence: s.MeanConfidence,
		Baseline: baseline, Report: f.reports.report, CSV: f.reports.csv,
	}
	response := api.AnnotationResponse{
		Counts: s.Counts, TypeConfidence: s.TypeConfidence, EmptyCells: base.EmptyCells, TruncatedCells: base.TruncatedCells,
		GeneMatch: api.GeneMatch{Total: base.GenesTotal, Matched: base.GenesMatched, DuplicateCount: base.GenesDuplicate},
		Model:     d.eng.Name(), Device: base.Device, Out: base.Out, Baseline: baseline, Report: f.reports.report, CSV: f.reports.csv, Warnings: base.Warnings,
	}
	if truth != nil {
		scores, err := truth.Score(labels)
		if err != nil {
			return err
		}
		res.Accuracy, res.MacroF1 = &scores.Accuracy, &scores.MacroF1
		response.Truth = &api.Truth{Column: truth.Column, Cells: scores.Cells, Counts: scores.Counts, Accuracy: scores.Accuracy, MacroF1: scores.MacroF1}
	}
	if a.json {
		a.printJSON(res)
	} else {
		a.printAnnotation(response)
	}
	return nil
}
