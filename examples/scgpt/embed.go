package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
)

// embedResult is what embed --json prints.
type embedResult struct {
	Cells        int `json:"cells"`
	GenesMatched int `json:"genes_matched"`
	GenesTotal   int `json:"genes_total"`
	// GenesDuplicate are left out because an earlier one is the same gene.
	GenesDuplicate int   `json:"genes_duplicate"`
	Tokens         int64 `json:"tokens"`
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

	Warnings []string `json:"warnings,omitempty"`
}

func (a *app) embedCommand() *cobra.Command {
	var f directFlags
	cmd := &cobra.Command{
		Use: "embed", Short: "Embed the cells of a file, without Temporal", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return a.embed(cmd.Context(), f)
		},
	}
	f.register(cmd, engine.Embed)
	return cmd
}

// embedAll embeds all cells, with a progress bar.
func (d direct) embedAll(ctx context.Context, a *app, cells *engine.Cells) (*engine.Embeddings, embedResult, error) {
	n := cells.Len()
	bar := newBar(a.stderr, n)
	emb, err := cells.Embed(ctx, 0, n, func(done int) { _ = bar.Set(done) })
	_ = bar.Finish()
	if err != nil {
		return nil, embedResult{}, err
	}
	seconds := time.Since(d.start).Seconds()
	g := cells.GeneMatch()
	return emb, embedResult{
		Cells: n, GenesMatched: g.Matched, GenesTotal: g.Total, GenesDuplicate: g.DuplicateCount, Tokens: emb.Tokens,
		EmptyCells: len(emb.Empty), TruncatedCells: emb.Truncated, LoadSeconds: d.loading.Seconds(),
		Seconds: seconds, CellsPerS: float64(n) / seconds, Device: d.eng.Class(), Precision: d.eng.Precision(),
	}, nil
}

func (a *app) embed(ctx context.Context, f directFlags) error {
	return a.withModel(f, func(d direct) error {
		return d.open(f, f.cells.options(engine.Embed), func(cells *engine.Cells) error {
			emb, res, err := d.embedAll(ctx, a, cells)
			if err != nil {
				return err
			}
			if res.Warnings, err = cells.Replaced(ctx, false); err != nil {
				return err
			}
			if err := cells.WriteEmbedded(ctx, f.out, emb, provenance(d.eng, api.MethodEmbedding)); err != nil {
				return err
			}
			res.Out, res.PeakRSSMB = f.out, peakRSS()
			if a.json {
				a.printJSON(res)
				return nil
			}
			fmt.Fprintf(a.stdout, "%d cells in %.1f s (%.1f cells/s) on %s; %d of %d genes known; obsm[\"X_scGPT\"] in %s\n",
				res.Cells, res.Seconds, res.CellsPerS, res.Device, res.GenesMatched, res.GenesTotal, res.Out)
			a.printDuplicates(res.GenesDuplicate)
			if res.EmptyCells > 0 || res.TruncatedCells > 0 {
				fmt.Fprintf(a.stdout, "%d cells without a known gene (their rows: uns[\"troupe\"][%q]), %d longer than the cap\n",
					res.EmptyCells, engine.EmptyCellsKey, res.TruncatedCells)
			}
			a.printNotes(res.Warnings)
			return nil
		})
	})
}
