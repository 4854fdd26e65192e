package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed-ab6af24b/troupe/agent/devserver"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// printAnalysis prints the result of an analysis for a person.
func (a *app) printAnalysis(r api.AnalysisWorkflowResult) {
	a.printAnnotation(r.Annotation)
	if r.Clusters != nil {
		a.printClusters(*r.Clusters)
	}
	if r.Integration != nil {
		a.printIntegration(*r.Integration)
	}
	fmt.Fprintf(a.stdout, "Gene vectors    %d marker genes of %d values each\n", len(r.GeneEmbeddings.Genes), r.GeneEmbeddings.Dim)
}

func (a *app) printAnnotation(r api.AnnotationResponse) {
	types := typesByCount(r)
	width := len("Cell type")
	for _, t := range types {
		width = max(width, utf8.RuneCountInString(t))
	}
	row := func(name, cells, confidence, truth string) {
		fmt.Fprintf(a.stdout, "%s%*s  %6s  %10s", name, width-utf8.RuneCountInString(name), "", cells, confidence)
		if r.Truth != nil {
			fmt.Fprintf(a.stdout, "  %6s", truth)
		}
		fmt.Fprintln(a.stdout)
	}
	fmt.Fprintln(a.stdout)
	row("Cell type", "cells", "confidence", "truth")
	for _, t := range types {
		confidence, truth := "-", ""
		if r.Counts[t] > 0 {
			confidence = fmt.Sprintf("%.3f", r.TypeConfidence[t])
		}
		if r.Truth != nil {
			truth = strconv.Itoa(r.Truth.Counts[t])
		}
		row(t, strconv.Itoa(r.Counts[t]), confidence, truth)
	}
	fmt.Fprintln(a.stdout)
	if r.Truth != nil {
		fmt.Fprintf(a.stdout, "Accuracy        %.3f, macro F1 %.3f (%d cells with a true type in obs[%q])\n", r.Truth.Accuracy, r.Truth.MacroF1, r.Truth.Cells, r.Truth.Column)
	}
	if b := r.Baseline; b != nil {
		fmt.Fprintf(a.stdout, "Baseline        %.3f, macro F1 %.3f (%s)\n", b.Accuracy, b.MacroF1, b.Method)
	}
	fmt.Fprintf(a.stdout, "Genes           %d of %d in the model's vocabulary\n", r.GeneMatch.Matched, r.GeneMatch.Total)
	a.printDuplicates(r.GeneMatch.DuplicateCount)
	if r.EmptyCells > 0 || r.TruncatedCells > 0 {
		fmt.Fprintf(a.stdout, "Cells           %d without a known gene, %d longer than the cap\n", r.EmptyCells, r.TruncatedCells)
	}
	if r.Method == api.MethodReference {
		fmt.Fprintf(a.stdout, "Reference       %s: the share of the nearest cells that agree is the confidence\n", r.ReferenceDataset)
	}
	fmt.Fprintf(a.stdout, "Model           %s on %s\n", r.Model, r.Device)
	if r.FromMemo {
		fmt.Fprintln(a.stdout, "                a stored result of the same request (--no-memo computes anew)")
	}
	fmt.Fprintf(a.stdout, "Annotated copy  %s\n", shortPath(r.Out))
	fmt.Fprintf(a.stdout, "                obs[\"predicted_labels\"], obs[\"conf_score\"], obsm[\"X_scGPT\"] added\n")
	if r.Report != "" {
		fmt.Fprintf(a.stdout, "Report          %s (open it in a browser)\n", shortPath(r.Report))
		fmt.Fprintf(a.stdout, "Table of cells  %s\n", shortPath(r.CSV))
	}
	a.printNotes(r.Warnings)
}

// printDuplicates prints how many genes of the file count for nothing because an
// earlier one is the same.
func (a *app) printDuplicates(n int) {
	switch n {
	case 0:
	case 1:
		fmt.Fprintln(a.stdout, "                1 gene has a name that occurs before; the first counts")
	default:
		fmt.Fprintf(a.stdout, "                %d genes have a name that occurs before; the first counts\n", n)
	}
}

func (a *app) printNotes(warnings []string) {
	for _, w := range warnings {
		fmt.Fprintf(a.stdout, "Note            %s\n", w)
	}
}

// printClusters prints the clusters of cells without a label for a person.
func (a *app) printClusters(c api.ClusterNames) {
	fmt.Fprintf(a.stdout, "\nNo label        %d cells, in %d clusters\n", c.UnassignedCells, len(c.Clusters))
	for _, k := range c.Clusters {
		name := k.Name
		if name == "" {
			name = "(no name)"
		}
		fmt.Fprintf(a.stdout, "  %-4s %5d cells  %-24s %.2f  %s\n", k.ID, k.Cells, name, k.Confidence, strings.Join(k.Genes[:min(6, len(k.Genes))], ", "))
	}
	if c.Problem != "" {
		fmt.Fprintf(a.stdout, "                %s\n", c.Problem)
	}
	a.printNotes(c.Warnings)
	fmt.Fprintln(a.stdout)
}

// printEmbedding prints an embedding of cells for a person.
func (a *app) printEmbedding(r api.CellEmbeddingResponse) {
	fmt.Fprintf(a.stdout, "%d cells of %d values each, by %s on %s; %d of %d genes known; obsm[\"X_scGPT\"] in %s\n",
		r.Cells, r.Dim, r.Model, r.Device, r.GeneMatch.Matched, r.GeneMatch.Total, shortPath(r.Out))
	a.printDuplicates(r.GeneMatch.DuplicateCount)
}

// typesByCount lists predicted and true types, the most frequent first.
func typesByCount(r api.AnnotationResponse) []string {
	types := maps.Clone(r.Counts)
	if types == nil {
		types = map[string]int{}
	}
	if r.Truth != nil {
		for t := range r.Truth.Counts {
			types[t] += 0
		}
	}
	return slices.SortedFunc(maps.Keys(types), func(x, y string) int {
		return cmp.Or(cmp.Compare(types[y], types[x]), cmp.Compare(x, y))
	})
}

// printLink prints where the workflow is to be seen.
func (a *app) printLink(srv *devserver.Server, namespace string, r api.WorkflowResult, keep bool) {
	if srv == nil {
		return
	}
	url := srv.WorkflowURL(namespace, r.WorkflowID, r.RunID)
	if url == "" || a.json {
		return
	}
	fmt.Fprintf(a.stdout, "Workflow        %s\n", url)
	switch {
	case srv.Used():
	case keep:
		fmt.Fprintln(a.stdout, "                open until Ctrl-C")
	default:
		fmt.Fprintln(a.stdout, "                (the server stops now; with --keep it stays open)")
	}
}

// shortPath shows a path relative to the working directory where it lies below.
func shortPath(path string) string {
	dir, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil || strings.HasPrefix(rel, "..") {
		return path
	}
	return rel
}
