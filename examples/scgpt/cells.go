package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens/hvg"
)

// cellFlags are the flags that say how cells are read and turned into tokens.
type cellFlags struct{ api.CellOptions }

// register adds the flags. lengths says what --max-length is by default.
func (f *cellFlags) register(cmd *cobra.Command, lengths string) {
	cmd.Flags().IntVar(&f.MaxLength, "max-length", 0, fmt.Sprintf("largest number of tokens of a cell (default %s)", lengths))
	cmd.Flags().StringVar(&f.Cap, "cap", "", "genes that a longer cell keeps: even (default), first, highest or seeded")
	cmd.Flags().StringVar(&f.Ties, "ties", "", "bin of equal values: mid (default), left or seeded")
	cmd.Flags().Uint64Var(&f.Seed, "seed", 0, "seed of the seeded rules")
	cmd.Flags().StringVar(&f.Layer, "layer", "", "layer to read instead of X")
	cmd.Flags().StringVar(&f.GeneColumn, "gene-column", "", "column of var with the gene symbols (default: the index)")
	cmd.Flags().Float64Var(&f.MinGeneShare, "min-gene-share", 0.5, "smallest share of the file's genes that the model must know")
}

// registerLabels adds the flag of the column with true types.
func (f *cellFlags) registerLabels(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.LabelColumn, "label-column", "", "column of obs with the true types (default: celltype or cell_type)")
}

// check finds wrong usage before anything is opened, and fills in what an
// explicit zero means.
func (f *cellFlags) check(cmd *cobra.Command) error {
	if f.Cap != "" {
		if err := oneOf("--cap", f.Cap, "even", "first", "highest", "seeded"); err != nil {
			return err
		}
	}
	if f.Ties != "" {
		if err := oneOf("--ties", f.Ties, "mid", "left", "seeded"); err != nil {
			return err
		}
	}
	if n := f.MaxLength; n < 0 || n == 1 || n == 0 && cmd.Flags().Changed("max-length") {
		return usagef("--max-length is %d: want at least 2, <cls> and one gene", n)
	}
	if s := f.MinGeneShare; !(s >= 0 && s <= 1) {
		return usagef("--min-gene-share is %v: want 0 to 1", s)
	}
	if cmd.Flags().Changed("seed") && f.Cap != "seeded" && f.Ties != "seeded" {
		return usagef("--seed is for --cap seeded and --ties seeded: give one of them")
	}
	if f.MinGeneShare == 0 {
		f.MinGeneShare = -1 // any share; the zero of the options is the default
	}
	return nil
}

// options are the engine's.
func (f *cellFlags) options(task engine.Task) engine.Options {
	return engine.Options{
		Task: task, Layer: f.Layer, GeneColumn: f.GeneColumn, MaxLength: f.MaxLength,
		Cap: f.Cap, Ties: f.Ties, Seed: f.Seed, MinGeneShare: f.MinGeneShare,
	}
}

// labelFlags are the flags that say when a cell gets a label.
type labelFlags struct {
	reference string
	api.LabelOptions
}

func (f *labelFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.reference, "reference", "", "labelled reference to take labels from (default: the model's classifier head)")
	cmd.Flags().Float64Var(&f.MinConfidence, "min-confidence", 0, "least confidence for a label, else unassigned (default 0.5 with a reference)")
	cmd.Flags().IntVar(&f.Neighbors, "neighbors", 0, "cells of the reference that vote (default 10)")
}

// check finds wrong usage, and fills in what an explicit zero means.
func (f *labelFlags) check(cmd *cobra.Command) error {
	if c := f.MinConfidence; !(c >= 0 && c <= 1) {
		return usagef("--min-confidence is %v: want 0 to 1", c)
	}
	if f.MinConfidence == 0 && cmd.Flags().Changed("min-confidence") {
		f.MinConfidence = -1 // every cell takes its label; the zero of the options is the default
	}
	if cmd.Flags().Changed("neighbors") && f.reference == "" {
		return usagef("--neighbors are cells of a reference that vote: name one with --reference")
	}
	if f.Neighbors < 0 || f.Neighbors > api.MaxNeighbors {
		return usagef("--neighbors is %d: want 1 to %d", f.Neighbors, api.MaxNeighbors)
	}
	return nil
}

// batchFlags are the flags of an integration.
type batchFlags struct {
	key, flavor string
	hvg         int
}

func (f *batchFlags) register(cmd *cobra.Command, key string) {
	cmd.Flags().StringVar(&f.key, "batch-key", key, "column of obs with the batches")
	cmd.Flags().IntVar(&f.hvg, "n-hvg", 0, fmt.Sprintf("highly variable genes that cells are reduced to (default %d)", engine.DefaultChosenGenes))
	cmd.Flags().StringVar(&f.flavor, "flavor", "", "how the genes of --n-hvg are chosen: seurat_v3 for counts, cell_ranger for log-normalised values (default: what the values look like)")
}

func (f *batchFlags) check() error {
	if f.hvg < 0 || f.hvg > api.MaxHVG {
		return usagef("--n-hvg is %d: want 1 to %d", f.hvg, api.MaxHVG)
	}
	if f.flavor != "" {
		return oneOf("--flavor", f.flavor, string(hvg.SeuratV3), string(hvg.CellRanger))
	}
	return nil
}
