package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/reference"
)

// reportFlags are the flags of what is made beside an annotated copy.
type reportFlags struct {
	none                  bool
	report, csv, baseline string
}

// register adds the flags; byDefault is what is said of the default of --baseline.
func (f *reportFlags) register(cmd *cobra.Command, byDefault string) {
	cmd.Flags().StringVar(&f.baseline, "baseline", "", "labelled .h5ad file: compare with the nearest of its cells in principal components"+byDefault)
	cmd.Flags().BoolVar(&f.none, "no-report", false, "write the annotated copy alone, no report and no table")
}

// registerPaths adds the flags of commands that write the files themselves.
func (f *reportFlags) registerPaths(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.report, "report", "", "page to write (default: NAME.report.html beside --out)")
	cmd.Flags().StringVar(&f.csv, "csv", "", "table of the cells to write (default: NAME.cells.csv beside --out)")
}

// options are those of a request.
func (f *reportFlags) options() api.ReportOptions {
	return api.ReportOptions{BaselineData: f.baseline, NoReport: f.none}
}

// check fills in the paths that are not named.
func (f *reportFlags) check(out string) error {
	if f.none {
		if f.report != "" || f.csv != "" {
			return usagef("--no-report is given, but so is the path of one: leave either out")
		}
		return nil
	}
	stem := strings.TrimSuffix(out, ".h5ad")
	if f.report == "" {
		f.report = stem + ".report.html"
	}
	if f.csv == "" {
		f.csv = stem + ".cells.csv"
	}
	if f.report == out || f.csv == out || f.report == f.csv {
		return usagef("--out, --report and --csv name the same file: want three")
	}
	return nil
}

// checkFiles makes sure, before any work, that the files can be written and the cells
// compared with the baseline.
func (f annotateFlags) checkFiles(opts engine.Options, truth *engine.Truth) error {
	if !f.reports.none {
		for _, path := range []string{f.reports.report, f.reports.csv} {
			if _, err := outputPath(path); err != nil {
				return err
			}
		}
	}
	if f.reports.baseline == "" {
		return nil
	}
	if truth == nil {
		return retry.InvalidData.Errorf("--baseline is %s, but the cells have no true types to compare with: name their column with --label-column", f.reports.baseline)
	}
	return engine.CheckBaseline(f.reports.baseline, f.data, f.baselineOptions(opts, truth))
}

// baselineOptions has the baseline read as the cells are.
func (f annotateFlags) baselineOptions(opts engine.Options, truth *engine.Truth) engine.BaselineOptions {
	return engine.BaselineOptions{TruthColumn: truth.Column, Layer: opts.Layer, GeneColumn: opts.GeneColumn, Threads: f.threads}
}

// writeReport writes page and table, and compares with the baseline.
func (f annotateFlags) writeReport(ctx context.Context, d direct, opts engine.Options, ref *reference.Reference, truth *engine.Truth, cells *engine.Cells, emb *engine.Embeddings, labels *engine.Labels) (baseline *api.Baseline, warnings []string, err error) {
	o := engine.ReportOptions{Truth: truth, Genes: api.CommonMarkers(), Options: opts, Provenance: labelProvenance(d.eng, ref), Threads: f.threads}
	if f.reports.baseline != "" {
		if o.Baseline, err = engine.NewBaseline(ctx, f.reports.baseline, f.data, f.baselineOptions(opts, truth)); err != nil {
			return nil, nil, err
		}
		scores, err := truth.Score(o.Baseline.Labels)
		if err != nil {
			return nil, nil, err
		}
		baseline = &api.Baseline{Data: f.reports.baseline, Method: o.Baseline.String(), Accuracy: scores.Accuracy, MacroF1: scores.MacroF1}
	}
	if f.reports.none {
		return baseline, cells.Warnings(o.Baseline), nil
	}
	if ref != nil {
		o.Reference = ref.Name
	}
	if known := d.eng.Known(o.Genes); len(known) > 0 {
		if o.Vectors, err = d.eng.Genes(known); err != nil {
			return nil, nil, err
		}
	}
	if o.Input, err = sumOf(f.data); err != nil {
		return nil, nil, err
	}
	r, err := cells.Report(ctx, emb, labels, o)
	if err != nil {
		return nil, nil, err
	}
	return baseline, cells.Warnings(o.Baseline), errors.Join(r.SaveHTML(ctx, f.reports.report), r.SaveCSV(ctx, f.reports.csv))
}

// sumOf returns the SHA-256 of a file, "" for a folder.
func sumOf(path string) (string, error) {
	if isDir(path) {
		return "", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
