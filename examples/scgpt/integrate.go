package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens/hvg"
)

// integrateResult is what integrate --json prints.
type integrateResult struct {
	embedResult
	Batches map[string]int         `json:"batches"`
	Domains bool                   `json:"domains"`
	Genes   int                    `json:"genes"`
	Flavor  string                 `json:"flavor,omitempty"`
	Before  api.IntegrationMetrics `json:"before"`
	After   api.IntegrationMetrics `json:"after"`
}

// integrateFlags are the flags of integrate.
type integrateFlags struct {
	directFlags
	batches batchFlags
}

func (a *app) integrateCommand() *cobra.Command {
	var f integrateFlags
	cmd := &cobra.Command{
		Use: "integrate", Short: "Embed the cells of several batches such that batches mix, without Temporal", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			if err := f.batches.check(); err != nil {
				return err
			}
			return a.integrate(cmd.Context(), f)
		},
	}
	f.register(cmd, engine.Integrate)
	f.batches.register(cmd, api.DefaultBatchKey)
	f.cells.registerLabels(cmd)
	return cmd
}

func (a *app) integrate(ctx context.Context, f integrateFlags) error {
	return a.withModel(f.directFlags, func(d direct) (err error) {
		opts := f.cells.options(engine.Integrate)
		opts.BatchKey = f.batches.key
		cells, choice, err := d.eng.OpenIntegration(ctx, f.data, opts, engine.ChooseOptions{N: f.batches.hvg, Flavor: hvg.Flavor(f.batches.flavor)})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cells.Close()) }()
		truth, err := cells.Truth(f.cells.LabelColumn, nil)
		if err != nil {
			return err
		}
		emb, base, err := d.embedAll(ctx, a, cells)
		if err != nil {
			return err
		}
		res := integrateResult{embedResult: base, Genes: choice.Genes.Len(), Flavor: string(choice.Flavor)}
		res.Warnings = choice.Warnings
		if err := res.measure(ctx, cells, emb, truth, f.threads); err != nil {
			return err
		}
		replaced, err := cells.Replaced(ctx, false)
		if err != nil {
			return err
		}
		res.Warnings = append(res.Warnings, replaced...)
		from := provenance(d.eng, api.MethodIntegration)
		from.BatchKey = f.batches.key
		if err := cells.WriteEmbedded(ctx, f.out, emb, from); err != nil {
			return err
		}
		res.Out, res.PeakRSSMB = f.out, peakRSS()
		if a.json {
			a.printJSON(res)
			return nil
		}
		a.printIntegration(api.BatchIntegrationResponse{
			Cells: res.Cells, BatchKey: f.batches.key, Batches: res.Batches, Domains: res.Domains, Genes: res.Genes, Candidates: choice.Candidates,
			Flavor: res.Flavor, Before: res.Before, After: res.After, Warnings: res.Warnings, Model: d.eng.Name(), Device: res.Device, Out: res.Out,
		})
		return nil
	})
}

// measure says how batches mix before and after.
func (r *integrateResult) measure(ctx context.Context, cells *engine.Cells, emb *engine.Embeddings, truth *engine.Truth, threads int) error {
	batches := cells.Batches()
	r.Batches, r.Domains = map[string]int{}, batches.Domains != nil
	for _, name := range batches.Of() {
		r.Batches[name]++
	}
	before, err := cells.Principal(ctx, threads)
	if err != nil {
		return err
	}
	var types []string
	column := ""
	if truth != nil {
		types, column = truth.Types, truth.Column
	}
	for _, m := range []struct {
		x    neighbors.Matrix
		into *api.IntegrationMetrics
	}{{before, &r.Before}, {emb.Matrix(), &r.After}} {
		mixing, err := engine.Measure(ctx, m.x, batches.Of(), types, threads)
		if err != nil {
			return err
		}
		*m.into = api.IntegrationMetrics{Cells: mixing.Cells}
		if b := mixing.Batch; b != nil {
			m.into.BatchASW, m.into.GraphConnectivity, m.into.AvgBATCH = &b.ASW, &b.Connectivity, &b.Avg
		}
		if b := mixing.Types; b != nil {
			m.into.Labels = &api.LabelMetrics{Column: column, NMI: b.NMI, ARI: b.ARI, ASW: b.ASW, AvgBIO: b.Avg}
		}
		for _, w := range mixing.Warnings {
			if !slices.Contains(r.Warnings, w) {
				r.Warnings = append(r.Warnings, w)
			}
		}
	}
	return nil
}

// printIntegration prints an integration for a person.
func (a *app) printIntegration(r api.BatchIntegrationResponse) {
	fmt.Fprintf(a.stdout, "\nIntegration by obs[%q]     before (PCA)     after (scGPT)\n", r.BatchKey)
	number := func(v *float64) string {
		if v == nil {
			return "-"
		}
		return fmt.Sprintf("%.3f", *v)
	}
	row := func(name string, before, after *float64) {
		fmt.Fprintf(a.stdout, "%-28s%12s%18s\n", name, number(before), number(after))
	}
	row("batches mix (AvgBATCH)", r.Before.AvgBATCH, r.After.AvgBATCH)
	row("  silhouette of batches", r.Before.BatchASW, r.After.BatchASW)
	row("  graph connectivity", r.Before.GraphConnectivity, r.After.GraphConnectivity)
	if b, f := r.Before.Labels, r.After.Labels; b != nil && f != nil {
		row("types keep apart (AvgBIO)", &b.AvgBIO, &f.AvgBIO)
		row("  NMI", &b.NMI, &f.NMI)
		row("  ARI", &b.ARI, &f.ARI)
		row("  silhouette of types", &b.ASW, &f.ASW)
	}
	how := "all batches alike: the model has no batch norm or label for them"
	if r.Domains {
		how = "each batch by its own batch norm or label in the model"
	}
	fmt.Fprintf(a.stdout, "\nBatches         %d over %d cells, %s\n", len(r.Batches), r.Cells, how)
	fmt.Fprintf(a.stdout, "Genes           %d chosen of %d\n", r.Genes, r.Candidates)
	fmt.Fprintf(a.stdout, "Model           %s on %s\n", r.Model, r.Device)
	a.printNotes(r.Warnings)
	fmt.Fprintf(a.stdout, "Copy            %s, obsm[\"X_scGPT\"] added\n", shortPath(r.Out))
}
