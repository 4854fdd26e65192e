package engine

import (
	"fmt"
	"math"
)

// GeneVectors are the embeddings of genes.
type GeneVectors struct {
	// Genes are those found, in the order asked for; Missing those that the
	// vocabulary lacks.
	Genes, Missing []string
	Dim            int
	// Vectors holds one row per gene: LayerNorm of the gene's row of the
	// embedding table, what the transformer sees of a gene whatever the cell.
	Vectors []float32
}

// Genes looks genes up. None found is an error that names them.
func (e *Engine) Genes(symbols []string) (*GeneVectors, error) {
	g := &GeneVectors{Dim: e.model.EmbSize()}
	if len(symbols) == 0 {
		return g, nil
	}
	var ids []int32
	for _, s := range symbols {
		if id, ok := e.ck.Vocab().ID(s); ok {
			g.Genes, ids = append(g.Genes, s), append(ids, id)
		} else {
			g.Missing = append(g.Missing, s)
		}
	}
	if len(ids) == 0 {
		return nil, e.CheckGenes(symbols)
	}
	var err error
	g.Vectors, err = e.model.GeneEmbeddings(ids)
	return g, err
}

// CheckGenes returns the error of [Engine.Genes] where the vocabulary has none of the
// genes, else nil.
func (e *Engine) CheckGenes(symbols []string) error {
	if len(symbols) == 0 || len(e.Known(symbols)) > 0 {
		return nil
	}
	return &Error{e.dir, fmt.Sprintf("none of the %d genes asked for is in the vocabulary, %q the first", len(symbols), symbols[0])}
}

// Similarity returns the cosine of each pair of genes, n × n.
func (g *GeneVectors) Similarity() []float32 {
	n := len(g.Genes)
	lengths := make([]float64, n)
	for i := range lengths {
		lengths[i] = math.Sqrt(dot(g.row(i), g.row(i)))
	}
	out := make([]float32, n*n)
	for i := range n {
		for j := range n {
			if d := lengths[i] * lengths[j]; d > 0 {
				out[i*n+j] = float32(dot(g.row(i), g.row(j)) / d)
			}
		}
	}
	return out
}

func (g *GeneVectors) row(i int) []float32 { return g.Vectors[i*g.Dim : (i+1)*g.Dim] }

func dot(a, b []float32) float64 {
	sum := 0.0
	for i, v := range a {
		sum += float64(v) * float64(b[i])
	}
	return sum
}

// normalize divides a vector by its length; the zero vector stays.
func normalize(v []float32) {
	length := math.Sqrt(dot(v, v))
	if length == 0 {
		return
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / length)
	}
}
