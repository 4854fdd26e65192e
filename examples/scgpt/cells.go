package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
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
	cmd.Flags().Float64Var(&f.MinGeneShare, "min-gene-share", 0, "smallest share of the file's genes that the model must know (default 0.5)")
}

// registerLabels adds the flag of the column with true types.
func (f *cellFlags) registerLabels(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.LabelColumn, "label-column", "", "column of obs with the true types (default: celltype or cell_type)")
}

// check refuses values that nothing would take.
func (f *cellFlags) check() error {
	if err := f.Validate(); err != nil {
		return usagef("%w", err)
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

// batchFlags are the flags of an integration.
type batchFlags struct {
	key, flavor string
	hvg         int
}

func (f *batchFlags) register(cmd *cobra.Command, key string) {
	cmd.Flags().StringVar(&f.key, "batch-key", key, "column of obs with the batches")
	cmd.Flags().IntVar(&f.hvg, "n-hvg", 0, fmt.Sprintf("highly variable genes that cells are reduced to (default %d)", engine.DefaultChosenGenes))
	cmd.Flags().StringVar(&f.flavor, "flavor", "", "how they are chosen: seurat_v3 for counts, cell_ranger for log-normalised values (default: what the values look like)")
}
