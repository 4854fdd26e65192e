package engine

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

// Unassigned is the label of a cell that gets no other.
const Unassigned = neighbors.Unassigned

// Labels are cell types with the confidence in each.
type Labels struct {
	// Types holds a cell type per cell, or [Unassigned].
	Types []string
	// Confidence is the softmax probability of the winning class, per cell.
	Confidence []float32
}

// CanLabel returns nil if the model has a classifier head and names for its
// classes, else what is missing.
func (e *Engine) CanLabel() error {
	if e.Classes() == 0 || len(e.labels) == 0 {
		return &Error{e.dir, "the model has no classifier head with named classes (cls_decoder.* and id2type.json): use a fine-tuned one"}
	}
	return nil
}

// Label gives each cell the class with the highest logit; of equal ones the
// first. A cell without a gene that the model knows, whose logits say nothing
// about it, is [Unassigned] with confidence 0. It fails where [Engine.CanLabel]
// does.
func (e *Engine) Label(emb *Embeddings) (*Labels, error) {
	if err := e.CanLabel(); err != nil {
		return nil, err
	}
	names := e.labels
	if emb.Classes != len(names) {
		return nil, &Error{e.dir, fmt.Sprintf("%d classes in the embeddings, but %d names", emb.Classes, len(names))}
	}
	n := emb.To - emb.From
	l := &Labels{Types: make([]string, n), Confidence: make([]float32, n)}
	for i := range n {
		logits := emb.Logits[i*emb.Classes : (i+1)*emb.Classes]
		best := 0
		for k, v := range logits {
			if v > logits[best] {
				best = k
			}
		}
		sum := 0.0
		for _, v := range logits {
			sum += math.Exp(float64(v) - float64(logits[best]))
		}
		l.Types[i], l.Confidence[i] = names[best], float32(1/sum)
	}
	for _, cell := range emb.Empty {
		l.Types[cell-emb.From], l.Confidence[cell-emb.From] = Unassigned, 0
	}
	return l, nil
}

// Threshold makes the cells with less confidence than the least [Unassigned].
func (l *Labels) Threshold(least float64) {
	for i, confidence := range l.Confidence {
		if float64(confidence) < least {
			l.Types[i] = Unassigned
		}
	}
}

// Summary counts labels.
type Summary struct {
	// Types are those given, in alphabetical order, without
	// [Unassigned], which Counts has too.
	Types  []string
	Counts map[string]int
	// MeanConfidence is the mean over all cells, TypeConfidence that over the
	// cells of each type.
	MeanConfidence float64
	TypeConfidence map[string]float64
}

// Summary counts the labels.
func (l *Labels) Summary() Summary {
	s := Summary{Counts: map[string]int{}, TypeConfidence: map[string]float64{}}
	sum := 0.0
	for i, t := range l.Types {
		s.Counts[t]++
		s.TypeConfidence[t] += float64(l.Confidence[i])
		sum += float64(l.Confidence[i])
	}
	if len(l.Types) > 0 {
		s.MeanConfidence = sum / float64(len(l.Types))
	}
	for t, n := range s.Counts {
		s.TypeConfidence[t] /= float64(n)
	}
	s.Types = slices.AppendSeq([]string{}, maps.Keys(s.Counts))
	s.Types = slices.DeleteFunc(s.Types, func(t string) bool { return t == Unassigned })
	slices.Sort(s.Types)
	return s
}
