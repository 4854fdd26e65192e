package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
	"github.com/seed-ab6af24b/troupe/scgpt/report"
)

// ReportOptions are what a report says of a run beside its cells.
type ReportOptions struct {
	// Truth is what the labels are compared with, nil for nothing.
	Truth *Truth
	// Baseline is what another method makes of the cells, nil for none.
	Baseline *Baseline
	// Genes are shown in the cells of each type; those that the file lacks
	// are left out.
	Genes []string
	// Vectors are compared with each other, nil for none.
	Vectors *GeneVectors
	// Reference is the name of the labelled cells that the labels come from,
	// "" where they are the classifier head's.
	Reference string
	// Options are those that the cells were read with.
	Options Options
	// Input is the SHA-256 of the file, "" where it is not known.
	Input      string
	Provenance Provenance
	// Threads is the most goroutines to work at once; 0 is GOMAXPROCS.
	Threads int
}

// The columns of obs by which a report colours cells: as many at most, each with
// from two to so many values.
const (
	maxReportColumns = 8
	maxReportValues  = 60
	// Whole numbers are more often counts than names of groups.
	maxReportNumbers = 20
)

// Report gathers what a report shows. emb and labels must be those of all cells.
func (c *Cells) Report(ctx context.Context, emb *Embeddings, labels *Labels, o ReportOptions) (*report.Report, error) {
	names, err := c.file.Obs().Index()
	if err != nil {
		return nil, err
	}
	match := c.GeneMatch()
	r := &report.Report{
		Title: filepath.Base(c.file.Path()), Cells: names, Labels: labels.Types, Confidence: labels.Confidence,
		LabelsKey: LabelsKey, ConfidenceKey: ConfidenceKey,
		Embedding: emb.drawn(), EmbeddingKey: EmbeddingKey,
		Genes: &report.GeneMatch{
			Total: match.Total, Matched: match.Matched, MappedFromSymbols: match.MappedFromSymbols,
			Unmatched: match.Unmatched, UnmatchedCount: match.UnmatchedCount, DuplicateCount: match.DuplicateCount,
		},
		Notes: c.notes(emb), Threads: o.Threads,
	}
	r.Method, r.ConfidenceMeaning = c.method(o)
	for _, d := range match.Duplicates {
		r.Genes.Duplicates = append(r.Genes.Duplicates, d.Gene)
	}
	truthColumn := ""
	if o.Truth != nil {
		r.Truth, r.TruthKey = o.Truth.Types, o.Truth.Column
		truthColumn = o.Truth.Column
	}
	if b := o.Baseline; b != nil {
		r.Baseline = &report.Baseline{Labels: b.Labels.Types, Method: b.String()}
	}
	if r.Columns, err = reportColumns(c.file.Obs(), LabelsKey, ConfidenceKey, truthColumn); err != nil {
		return nil, err
	}
	if r.Markers, err = c.Markers(ctx, o.Genes, labels.Types); err != nil {
		return nil, err
	}
	if v := o.Vectors; v != nil {
		r.Similarity = &report.Similarity{Genes: v.Genes, Cosine: v.Similarity()}
	}
	for _, w := range c.Warnings(o.Baseline) {
		r.Notes = append(r.Notes, strings.ToUpper(w[:1])+w[1:]+".")
	}
	r.Provenance = c.facts(o)
	return r, nil
}

// drawn returns the normalised vectors of the cells that a report draws.
func (e *Embeddings) drawn() neighbors.Matrix {
	cells := report.Drawn(e.To - e.From)
	m := neighbors.Matrix{Data: make([]float32, 0, len(cells)*e.Dim), Rows: len(cells), Cols: e.Dim}
	for _, i := range cells {
		m.Data = append(m.Data, e.Vectors[i*e.Dim:(i+1)*e.Dim]...)
		normalize(m.Data[len(m.Data)-e.Dim:])
	}
	return m
}

// String says in half a sentence what the baseline is.
func (b *Baseline) String() string {
	return fmt.Sprintf("the nearest %d of %d labelled cells on %d principal components of %d genes", b.Neighbors, b.ReferenceCells, b.Components, b.Genes)
}

// notes are sentences about cells that the model saw little of.
func (c *Cells) notes(emb *Embeddings) []string {
	var notes []string
	if n := len(emb.Empty); n > 0 {
		notes = append(notes, fmt.Sprintf("In %d of %d cells no gene that the model knows is expressed: their labels mean nothing.", n, c.Len()))
	}
	if emb.Truncated > 0 {
		notes = append(notes, fmt.Sprintf("%d of %d cells express more genes than the model is given; it saw a part of them.", emb.Truncated, c.Len()))
	}
	return notes
}

// reportColumns reads the columns of obs that divide the cells into a few groups.
func reportColumns(obs *anndata.Frame, without ...string) ([]report.Column, error) {
	var list []report.Column
	for _, name := range obs.Columns() {
		if len(list) == maxReportColumns {
			break
		}
		if slices.Contains(without, name) {
			continue
		}
		col, err := obs.Column(name)
		if err != nil {
			return nil, err
		}
		most := maxReportValues
		switch col.Kind {
		case anndata.KindFloat:
			continue
		case anndata.KindInt:
			most = maxReportNumbers
		}
		values := col.Strings()
		if n := len(typesByCount(values)); n >= 2 && n <= most {
			list = append(list, report.Column{Name: name, Values: values})
		}
	}
	return list, nil
}

// typesByCount lists the values that are not empty, those of most cells first.
func typesByCount(values []string) []string {
	counts := map[string]int{}
	for _, v := range values {
		counts[v]++
	}
	delete(counts, "")
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
}

// Known returns those of some genes that the vocabulary has.
func (e *Engine) Known(genes []string) []string {
	return slices.DeleteFunc(slices.Clone(genes), func(g string) bool { _, ok := e.ck.Vocab().ID(g); return !ok })
}

// method says in half a sentence each how the labels were given, and what the
// confidence is.
func (c *Cells) method(o ReportOptions) (method, confidence string) {
	if o.Reference == "" {
		return "the classifier head of " + c.engine.Name(), "the softmax probability of the class"
	}
	return "the nearest cells of the reference " + o.Reference + ", as " + c.engine.Name() + " sees them",
		"the share of the nearest cells of the reference that have the label"
}

// facts are the lines of the provenance. They hold nothing that differs between
// two runs of the same work.
func (c *Cells) facts(o ReportOptions) []report.Fact {
	var facts []report.Fact
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, report.Fact{Name: name, Value: value})
		}
	}
	p, args, t := o.Provenance, c.engine.ck.Args(), c.tokenizer.Options()
	add("Input", filepath.Base(c.file.Path()))
	add("Input SHA-256", o.Input)
	add("Cells × genes", fmt.Sprintf("%d × %d", c.file.NObs(), c.file.NVars()))
	add("Layer", o.Options.Layer)
	add("Gene column", o.Options.GeneColumn)
	add("Model", p.Model)
	add("Model fingerprint", p.Fingerprint)
	add("Model size", fmt.Sprintf("%d layers, %d wide, %d heads", args.NLayers, args.EmbSize, args.NHeads))
	method, _ := c.method(o)
	add("Labels", method)
	add("Device", p.Device)
	add("Precision", p.precision())
	add("Tokens of a cell", fmt.Sprintf("at most %d, longer cells keep: %s", t.MaxLength, t.Cap))
	add("Value bins", fmt.Sprintf("%d, equal values: %s", t.NBins, t.Ties))
	if t.Seed != 0 {
		add("Seed", strconv.FormatUint(t.Seed, 10))
	}
	if o.Baseline != nil {
		add("Baseline's reference", filepath.Base(o.Baseline.Reference))
	}
	add("Agent", p.Agent+" "+p.Version)
	return facts
}
