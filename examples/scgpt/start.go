package main

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// requestFlags are the flags that make a request.
type requestFlags struct {
	data, out, model string
	noMemo           bool
	shards           api.ShardOptions
	cells            cellFlags
	labels           labelFlags
	batches          batchFlags
	reports          reportFlags
	genes            []string
	similarity       bool
	nameClusters     bool
	tissue           string
}

// register adds the flags; baselineByDefault is what is said of the default of --baseline.
func (f *requestFlags) register(cmd *cobra.Command, baselineByDefault string) {
	cmd.Flags().StringVar(&f.data, "data", "", "the cells: an .h5ad file, or the .h5 file or folder of 10x Genomics")
	cmd.Flags().StringVar(&f.out, "out", "", "the file to write (default: NAME.annotated.h5ad and the like in the worker's folder out)")
	cmd.Flags().StringVar(&f.model, "model", "", "name of a model in the worker's model folder (default: the worker's)")
	cmd.Flags().BoolVar(&f.noMemo, "no-memo", false, "compute even where a stored result would do, and store none")
	cmd.Flags().IntVar(&f.shards.ShardCells, "shard-cells", 0, "cells of a shard (default: some 15 s of work)")
	cmd.Flags().IntVar(&f.shards.MaxShardsInFlight, "max-shards-in-flight", 0, "shards that are scheduled at a time (default 16)")
	cmd.Flags().StringSliceVar(&f.genes, "genes", nil, "gene symbols whose vectors are looked up, separated by commas (default: common blood markers)")
	cmd.Flags().BoolVar(&f.nameClusters, "name-clusters", false, "have foogpt name clusters of the cells that get no label")
	cmd.Flags().StringVar(&f.tissue, "tissue", "", "with --name-clusters: leave out cell types that do not occur there, such as blood")
	f.labels.register(cmd)
	f.batches.register(cmd, "")
	f.reports.register(cmd, baselineByDefault)
	f.cells.register(cmd, "3001 for labels by a classifier, 1200 for embeddings")
	f.cells.registerLabels(cmd)
}

// check finds wrong usage before anything is sent.
func (f *requestFlags) check(cmd *cobra.Command) error {
	for _, check := range []func() error{
		func() error { return f.cells.check(cmd) }, func() error { return f.labels.check(cmd) }, f.batches.check,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	if err := f.shards.Validate(); err != nil {
		return usagef("%w", err)
	}
	if f.out != "" {
		return checkOut(f.out)
	}
	return nil
}

// checkAnalysis finds what makes no sense for an analysis, which integrates only if
// it is told the batches.
func (f *requestFlags) checkAnalysis() error {
	switch {
	case f.batches.key != "":
	case f.batches.hvg > 0:
		return usagef("--n-hvg is for integration: name the column of the batches with --batch-key")
	case f.batches.flavor != "":
		return usagef("--flavor is for integration: name the column of the batches with --batch-key")
	}
	return nil
}

// analysis is the request of an analysis.
func (f *requestFlags) analysis() api.AnalysisWorkflowRequest {
	return api.AnalysisWorkflowRequest{
		ExpressionData: f.data, ReferenceDataset: f.labels.reference, Model: f.model, Out: f.out,
		BatchKey: f.batches.key, NHVG: f.batches.hvg, Flavor: f.batches.flavor, NameClusters: f.nameClusters, Tissue: f.tissue, Genes: f.genes, NoMemo: f.noMemo,
		Cells: f.cells.CellOptions, Labels: f.labels.LabelOptions, ReportOptions: f.reports.options(), ShardOptions: f.shards,
	}
}

// operation is something that start can start.
type operation struct {
	name string
	// flags are those that it uses, besides flagsOfAll.
	flags []string
	// check finds what makes no sense for it, nil if its flags are all to be checked.
	check func(f *requestFlags) error
	start func(ctx context.Context, c *api.Client, f *requestFlags) (id string, err error)
}

// flagsOfAll are those that every operation uses.
var flagsOfAll = []string{"operation", "out", "model", "no-memo"}

// flagsOfCells are those of all operations that embed cells.
var flagsOfCells = []string{
	"data", "shard-cells", "max-shards-in-flight", "max-length", "cap", "ties", "seed", "layer", "gene-column", "min-gene-share",
}

// flagsOfLabels are those of operations that label cells.
var flagsOfLabels = slices.Concat(flagsOfCells, []string{
	"label-column", "reference", "min-confidence", "neighbors", "genes", "baseline", "no-report",
})

// operations are named as the activities that do them. The first one is the default.
var operations = []operation{{
	name:  "analysis",
	flags: slices.Concat(flagsOfLabels, []string{"batch-key", "n-hvg", "flavor", "name-clusters", "tissue"}),
	check: (*requestFlags).checkAnalysis,
	start: func(ctx context.Context, c *api.Client, f *requestFlags) (string, error) {
		return c.StartAnalysis(ctx, f.analysis())
	},
}, {
	name:  api.AnnotateCellTypes.Name(),
	flags: flagsOfLabels,
	start: func(ctx context.Context, c *api.Client, f *requestFlags) (string, error) {
		return c.StartAnnotation(ctx, api.AnnotationRequest{
			ExpressionData: f.data, ReferenceDataset: f.labels.reference, Model: f.model, Out: f.out,
			Cells: f.cells.CellOptions, Labels: f.labels.LabelOptions, Genes: f.genes, NoMemo: f.noMemo,
			ReportOptions: f.reports.options(), ShardOptions: f.shards,
		})
	},
}, {
	name:  api.IntegrateBatches.Name(),
	flags: slices.Concat(flagsOfCells, []string{"label-column", "batch-key", "n-hvg", "flavor"}),
	start: func(ctx context.Context, c *api.Client, f *requestFlags) (string, error) {
		return c.StartIntegration(ctx, api.BatchIntegrationRequest{
			ExpressionData: f.data, BatchKey: f.batches.key, NHVG: f.batches.hvg, Flavor: f.batches.flavor, Model: f.model, Out: f.out,
			Cells: f.cells.CellOptions, NoMemo: f.noMemo, ShardOptions: f.shards,
		})
	},
}, {
	name:  api.GetGeneEmbeddings.Name(),
	flags: []string{"genes", "similarity"},
	start: func(ctx context.Context, c *api.Client, f *requestFlags) (string, error) {
		return c.StartGeneEmbedding(ctx, api.EmbeddingRequest{
			Genes: f.genes, Model: f.model, IncludeSimilarity: f.similarity, Out: f.out, NoMemo: f.noMemo,
		})
	},
}, {
	name:  api.EmbedCells.Name(),
	flags: flagsOfCells,
	start: func(ctx context.Context, c *api.Client, f *requestFlags) (string, error) {
		return c.StartCellEmbedding(ctx, api.CellEmbeddingRequest{
			ExpressionData: f.data, Model: f.model, Out: f.out, Cells: f.cells.CellOptions, NoMemo: f.noMemo, ShardOptions: f.shards,
		})
	},
}}

func operationNames() string {
	names := make([]string, len(operations))
	for i, o := range operations {
		names[i] = o.name
	}
	return strings.Join(names, ", ")
}

func (a *app) startCommand() *cobra.Command {
	var f requestFlags
	var name string
	cmd := &cobra.Command{
		Use: "start", Short: "Start a workflow and print its id", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			i := slices.IndexFunc(operations, func(o operation) bool { return o.name == name })
			if i < 0 {
				return usagef("--operation is %q: want one of %s", name, operationNames())
			}
			if err := operations[i].checkFlags(cmd, &f); err != nil {
				return err
			}
			return a.start(cmd.Context(), operations[i], &f)
		},
	}
	f.register(cmd, "")
	cmd.Flags().StringVar(&name, "operation", operations[0].name, "what to start: "+operationNames())
	cmd.Flags().BoolVar(&f.similarity, "similarity", false, "with get_gene_embeddings: the cosine of each pair of genes too")
	return cmd
}

// checkFlags finds flags that mean something to other operations only, or nothing
// beside each other.
func (o operation) checkFlags(cmd *cobra.Command, f *requestFlags) error {
	users := map[string][]string{}
	for _, other := range operations {
		for _, flag := range other.flags {
			users[flag] = append(users[flag], other.name)
		}
	}
	for _, flag := range slices.Sorted(maps.Keys(users)) {
		if cmd.Flags().Changed(flag) && !slices.Contains(users[flag], o.name) {
			return usagef("--%s has no meaning for --operation %s: it is for %s", flag, o.name, strings.Join(users[flag], ", "))
		}
	}
	if o.check != nil {
		return o.check(f)
	}
	return nil
}

func (a *app) start(ctx context.Context, o operation, f *requestFlags) error {
	if f.data == "" && slices.Contains(o.flags, "data") {
		return usagef("--data is missing: want the path of an .h5ad file, or of an .h5 file or folder of 10x Genomics")
	}
	// The worker may run in another folder.
	for _, path := range []*string{&f.data, &f.out, &f.reports.baseline} {
		if *path != "" {
			abs, err := filepath.Abs(*path)
			if err != nil {
				return err
			}
			*path = abs
		}
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	id, err := o.start(ctx, c, f)
	if err != nil {
		return err
	}
	if polled, err := c.Polled(ctx); err == nil && !polled {
		a.printUnattended(c.TaskQueue())
	}
	if a.json {
		a.printJSON(map[string]string{"workflow_id": id})
	} else {
		fmt.Fprintln(a.stdout, id)
	}
	return nil
}
