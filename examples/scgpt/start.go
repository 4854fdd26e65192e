package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// requestFlags are the flags that make a request of an analysis.
type requestFlags struct {
	data, out, model, reference string
	noMemo                      bool
	shardCells                  int
	cells                       api.CellOptions
}

func (f *requestFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.data, "data", "", "the .h5ad file with the cells")
	cmd.Flags().StringVar(&f.out, "out", "", "the annotated copy (default: NAME.annotated.h5ad in the worker's folder out)")
	cmd.Flags().StringVar(&f.model, "model", "", "name of a model in the worker's model folder (default: the worker's)")
	cmd.Flags().StringVar(&f.reference, "reference", "", "labelled reference to take labels from (not supported yet)")
	cmd.Flags().IntVar(&f.shardCells, "shard-cells", 0, "cells of a shard (default: some 15 s of work)")
}

func (f *requestFlags) request() api.AnalysisWorkflowRequest {
	return api.AnalysisWorkflowRequest{
		ExpressionData: f.data, ReferenceDataset: f.reference, Model: f.model, Out: f.out,
		NoMemo: f.noMemo, ShardCells: f.shardCells, Cells: f.cells,
	}
}

func (a *app) startCommand() *cobra.Command {
	var f requestFlags
	var operation string
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Start a workflow and print its id",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if operation != "analysis" {
				return usagef("--operation is %q, but this version has analysis only", operation)
			}
			if f.data == "" {
				return usagef("--data is missing: want the path of an .h5ad file")
			}
			// The worker may run in another folder.
			for _, path := range []*string{&f.data, &f.out} {
				if *path != "" {
					abs, err := filepath.Abs(*path)
					if err != nil {
						return err
					}
					*path = abs
				}
			}
			c, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			id, err := c.StartAnalysis(cmd.Context(), f.request())
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(map[string]string{"workflow_id": id})
			} else {
				fmt.Fprintln(a.stdout, id)
			}
			return nil
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&operation, "operation", "analysis", "what to start: analysis")
	cmd.Flags().BoolVar(&f.noMemo, "no-memo", false, "compute even where a stored result would do")
	return cmd
}
