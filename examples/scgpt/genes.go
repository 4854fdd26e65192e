package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

func (a *app) genesCommand() *cobra.Command {
	var f directFlags
	var genes []string
	var similarity bool
	cmd := &cobra.Command{
		Use: "genes", Short: "Show the model's vectors of genes, without Temporal", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := f.modelFlags.check(); err != nil {
				return err
			}
			if genes, err = geneList(genes, cmd.Flags().Changed("genes")); err != nil {
				return err
			}
			if f.out != "" {
				if err := checkOut(f.out); err != nil {
					return err
				}
				if _, err := outputPath(f.out); err != nil {
					return err
				}
			}
			eng, closeEngine, err := f.load()
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, closeEngine()) }()
			g, err := eng.Genes(genes)
			if err != nil {
				return err
			}
			var cosines []float32
			if similarity {
				cosines = g.Similarity()
			}
			if f.out != "" {
				if err := g.Write(cmd.Context(), f.out, cosines, provenance(eng, "")); err != nil {
					return err
				}
			}
			res := api.EmbeddingResponse{
				Out: f.out, Genes: g.Genes, Missing: g.Missing, Dim: g.Dim, Model: eng.Name(), Fingerprint: eng.Fingerprint(), Device: eng.Class(),
				Vectors: slices.Collect(slices.Chunk(g.Vectors, g.Dim)),
			}
			if similarity {
				res.Similarity = slices.Collect(slices.Chunk(cosines, len(g.Genes)))
			}
			if a.json {
				a.printJSON(res)
			} else {
				a.printGenes(res)
			}
			return nil
		},
	}
	f.registerModel(cmd)
	cmd.Flags().StringVar(&f.out, "out", "", "an .h5ad file to write the vectors to as well, one row for each gene")
	cmd.Flags().StringSliceVar(&genes, "genes", nil, "gene symbols, separated by commas (default: common blood markers)")
	cmd.Flags().BoolVar(&similarity, "similarity", false, "show the cosine of each pair of genes too")
	return cmd
}

// geneList drops blanks around names and names that are there twice.
func geneList(genes []string, given bool) ([]string, error) {
	if !given {
		return api.CommonMarkers(), nil
	}
	var list []string
	for _, g := range genes {
		if g = strings.TrimSpace(g); g != "" && !slices.Contains(list, g) {
			list = append(list, g)
		}
	}
	if len(list) == 0 {
		return nil, usagef("--genes names none: want symbols, separated by commas")
	}
	return list, nil
}

func (a *app) printGenes(r api.EmbeddingResponse) {
	for i, g := range r.Genes {
		fmt.Fprintf(a.stdout, "%-10s %s\n", g, numbers("% .4f", r.Vectors[i]))
	}
	if len(r.Similarity) > 0 {
		fmt.Fprintln(a.stdout)
	}
	for i, row := range r.Similarity {
		fmt.Fprintf(a.stdout, "%-10s %s\n", r.Genes[i], numbers("% .2f", row))
	}
	if len(r.Missing) > 0 {
		fmt.Fprintf(a.stdout, "\nnot in the vocabulary: %s\n", strings.Join(r.Missing, ", "))
	}
}

func numbers(format string, values []float32) string {
	text := make([]string, len(values))
	for i, v := range values {
		text[i] = fmt.Sprintf(format, v)
	}
	return strings.Join(text, " ")
}
