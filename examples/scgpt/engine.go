package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

// engineFlags are the flags of the commands that work without Temporal.
type engineFlags struct {
	modelFlags
	model, data, out string
	labelColumn      string
	opts             engine.Options
}

func (f *engineFlags) register(cmd *cobra.Command) {
	f.modelFlags.register(cmd)
	cmd.Flags().StringVar(&f.model, "model", "", "folder of a model, or its name in the model folder (default: the only one there)")
	cmd.Flags().StringVar(&f.data, "data", "", "the cells: an .h5ad file, or the .h5 file or folder of 10x Genomics")
	cmd.Flags().StringVar(&f.out, "out", "", "the .h5ad file to write")
	cmd.Flags().IntVar(&f.opts.MaxLength, "max-length", 0, fmt.Sprintf("largest number of tokens of a cell (default %d)", f.opts.Task.DefaultMaxLength()))
	cmd.Flags().StringVar(&f.opts.Cap, "cap", "even", "genes that a longer cell keeps: even, first, highest or seeded")
	cmd.Flags().StringVar(&f.opts.Ties, "ties", "mid", "bin of equal values: mid, left or seeded")
	cmd.Flags().Uint64Var(&f.opts.Seed, "seed", 0, "seed of the seeded rules")
	cmd.Flags().StringVar(&f.opts.Layer, "layer", "", "layer to read instead of X")
	cmd.Flags().StringVar(&f.opts.GeneColumn, "gene-column", "", "column of var with the gene symbols (default: the index)")
	cmd.Flags().Float64Var(&f.opts.MinGeneShare, "min-gene-share", 0.5, "smallest share of the file's genes that the model must know")
}

// check finds wrong usage before anything is opened, and fills in what an
// explicit zero means.
func (f *engineFlags) check(cmd *cobra.Command) error {
	if err := f.modelFlags.check(); err != nil {
		return err
	}
	if err := oneOf("--cap", f.opts.Cap, "even", "first", "highest", "seeded"); err != nil {
		return err
	}
	if err := oneOf("--ties", f.opts.Ties, "mid", "left", "seeded"); err != nil {
		return err
	}
	if n := f.opts.MaxLength; n < 0 || n == 1 || n == 0 && cmd.Flags().Changed("max-length") {
		return usagef("--max-length is %d: want at least 2, <cls> and one gene", n)
	}
	if s := f.opts.MinGeneShare; !(s >= 0 && s <= 1) {
		return usagef("--min-gene-share is %v: want 0 to 1", s)
	}
	if f.opts.MinGeneShare == 0 {
		f.opts.MinGeneShare = -1 // any share; the zero of the options is the default
	}
	if f.data == "" {
		return usagef("--data is missing: want the path of an .h5ad file")
	}
	if f.out == "" {
		return usagef("--out is missing: want the path of the .h5ad file to write")
	}
	return nil
}

// embedResult is what embed --json prints.
type embedResult struct {
	Cells        int   `json:"cells"`
	GenesMatched int   `json:"genes_matched"`
	GenesTotal   int   `json:"genes_total"`
	Tokens       int64 `json:"tokens"`
	// EmptyCells express no gene that the model knows, TruncatedCells are
	// those that the cap shortened.
	EmptyCells     int `json:"empty_cells"`
	TruncatedCells int `json:"truncated_cells"`
	// LoadSeconds is what loading the model took, Seconds the rest but for
	// writing.
	LoadSeconds float64 `json:"load_seconds"`
	Seconds     float64 `json:"seconds"`
	CellsPerS   float64 `json:"cells_per_s"`
	Device      string  `json:"device"`
	Precision   string  `json:"precision"`
	PeakRSSMB   float64 `json:"peak_rss_mb"`
	Out         string  `json:"out"`
}

// annotateResult is what annotate --json prints.
type annotateResult struct {
	embedResult
	UniqueTypes    []string       `json:"unique_types"`
	Counts         map[string]int `json:"counts"`
	MeanConfidence float64        `json:"mean_confidence"`
	Accuracy       *float64       `json:"accuracy,omitempty"`
	MacroF1        *float64       `json:"macro_f1,omitempty"`
}

func (a *app) embedCommand() *cobra.Command {
	f := engineFlags{opts: engine.Options{Task: engine.Embed}}
	cmd := &cobra.Command{
		Use: "embed", Short: "Embed the cells of a file, without Temporal", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return a.embed(cmd.Context(), f)
		},
	}
	f.register(cmd)
	return cmd
}

func (a *app) annotateCommand() *cobra.Command {
	f := engineFlags{opts: engine.Options{Task: engine.Annotate}}
	cmd := &cobra.Command{
		Use: "annotate", Short: "Label the cells of a file, without Temporal", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return a.annotate(cmd.Context(), f)
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&f.labelColumn, "label-column", "", "column of obs with the true types (default: celltype or cell_type)")
	return cmd
}

// load opens the device and the model.
func (f *engineFlags) load() (*engine.Engine, func() error, error) {
	dir, err := f.modelDir()
	if err != nil {
		return nil, nil, err
	}
	dev, err := compute.Open(f.device, compute.Options{Precision: compute.Precision(f.precision), Threads: f.threads})
	if err != nil {
		return nil, nil, err
	}
	eng, err := engine.Load(dir, dev)
	if err != nil {
		return nil, nil, errors.Join(err, dev.Close())
	}
	return eng, func() error { return errors.Join(eng.Close(), dev.Close()) }, nil
}

// modelDir takes --model as a folder if there is such a one, else as a name.
func (f *engineFlags) modelDir() (string, error) {
	if f.model != "" && isDir(f.model) {
		return f.model, nil
	}
	folder, fallback, err := f.modelFolder()
	if err != nil {
		return "", err
	}
	name, err := engine.FindModel(folder, f.model, fallback)
	return filepath.Join(folder, name), err
}

// paths checks --data and --out before anything is loaded.
func (f *engineFlags) paths() error {
	data, err := os.Stat(f.data)
	if err != nil {
		return err
	}
	if there, err := os.Stat(f.out); err == nil && os.SameFile(data, there) {
		return retry.InvalidData.Errorf("%s: --out is the input itself: choose another path", f.out)
	}
	_, err = outputPath(f.out)
	return err
}

// outputPath makes sure that a file can be written at path.
func outputPath(path string) (string, error) {
	dir := filepath.Dir(path)
	if !isDir(dir) {
		return "", retry.FileNotFound.Errorf("%s: there is no folder %s", path, dir)
	}
	roots, err := storage.NewRoots(dir)
	if err != nil {
		return "", err
	}
	out, err := roots.Output(filepath.Base(path))
	if err != nil {
		return "", err
	}
	return out, storage.CheckWritable(out)
}

// opened is what embed and annotate work on.
type opened struct {
	eng   *engine.Engine
	cells *engine.Cells
	start time.Time
	// loading is what the model took.
	loading time.Duration
}

// withCells opens model and file and runs f. The clock starts once the model
// is loaded.
func (a *app) withCells(f engineFlags, work func(o opened) error) (err error) {
	if err := f.paths(); err != nil {
		return err
	}
	loading := time.Now()
	eng, closeEngine, err := f.load()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeEngine()) }()
	start := time.Now()
	cells, err := eng.Open(f.data, f.opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cells.Close()) }()
	return work(opened{eng, cells, start, start.Sub(loading)})
}

func (o opened) embed(ctx context.Context, a *app) (*engine.Embeddings, embedResult, error) {
	n := o.cells.Len()
	bar := newBar(a.stderr, n)
	emb, err := o.cells.Embed(ctx, 0, n, func(done int) { _ = bar.Set(done) })
	_ = bar.Finish()
	if err != nil {
		return nil, embedResult{}, err
	}
	seconds := time.Since(o.start).Seconds()
	g := o.cells.GeneMatch()
	return emb, embedResult{
		Cells: n, GenesMatched: g.Matched, GenesTotal: g.Total, Tokens: emb.Tokens,
		EmptyCells: len(emb.Empty), TruncatedCells: emb.Truncated, LoadSeconds: o.loading.Seconds(),
		Seconds: seconds, CellsPerS: float64(n) / seconds, Device: o.eng.Class(), Precision: o.eng.Precision(),
	}, nil
}

func provenance(eng *engine.Engine) engine.Provenance {
	return engine.Provenance{Agent: "scgpt", Version: scgpt.Version, Model: eng.Name(), Fingerprint: eng.Fingerprint(), Device: eng.Class()}
}

func (a *app) embed(ctx context.Context, f engineFlags) error {
	return a.withCells(f, func(o opened) error {
		emb, res, err := o.embed(ctx, a)
		if err != nil {
			return err
		}
		if err := o.cells.WriteEmbedded(ctx, f.out, emb, provenance(o.eng)); err != nil {
			return err
		}
		res.Out, res.PeakRSSMB = f.out, peakRSS()
		if a.json {
			a.printJSON(res)
			return nil
		}
		fmt.Fprintf(a.stdout, "%d cells in %.1f s (%.1f cells/s) on %s; %d of %d genes known; obsm[\"X_scGPT\"] in %s\n",
			res.Cells, res.Seconds, res.CellsPerS, res.Device, res.GenesMatched, res.GenesTotal, res.Out)
		if res.EmptyCells > 0 || res.TruncatedCells > 0 {
			fmt.Fprintf(a.stdout, "%d cells without a known gene (their rows: uns[\"troupe\"][%q]), %d longer than the cap\n",
				res.EmptyCells, engine.EmptyCellsKey, res.TruncatedCells)
		}
		return nil
	})
}

func (a *app) annotate(ctx context.Context, f engineFlags) error {
	return a.withCells(f, func(o opened) error {
		if err := o.eng.CanLabel(); err != nil {
			return err
		}
		truth, err := o.cells.Truth(f.labelColumn)
		if err != nil {
			return err
		}
		emb, base, err := o.embed(ctx, a)
		if err != nil {
			return err
		}
		labels, err := o.eng.Label(emb)
		if err != nil {
			return err
		}
		if err := o.cells.WriteAnnotated(ctx, f.out, emb, labels, provenance(o.eng)); err != nil {
			return err
		}
		base.Out, base.PeakRSSMB = f.out, peakRSS()
		s := labels.Summary()
		res := annotateResult{embedResult: base, UniqueTypes: s.Types, Counts: s.Counts, MeanConfidence: s.MeanConfidence}
		response := api.AnnotationResponse{
			Counts: s.Counts, TypeConfidence: s.TypeConfidence, EmptyCells: base.EmptyCells, TruncatedCells: base.TruncatedCells,
			GeneMatch: api.GeneMatch{Total: base.GenesTotal, Matched: base.GenesMatched},
			Model:     o.eng.Name(), Device: base.Device, Out: base.Out,
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
	})
}
