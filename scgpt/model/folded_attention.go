package model

import (
	"math"
	"sync"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// foldedAttention is a layer's attention of single tokens to whole cells, with
// the projections to keys and values folded into what stands before and behind
// (see [compute.InputAttender]). It takes 4·heads·d operations for each token of
// a cell in place of 4·d², and the products of a few more for each cell.
type foldedAttention struct {
	query linear // d to heads·d: head h is Wkₕᵀ·(Wqₕ·x + bqₕ)
	out   linear // heads·d to d: Σₕ Woₕ·Wvₕ·xₕ + (Wo·bv + bo)
}

// attentionWeights are those of a checkpoint: qkv is 3d × d, out d × d.
type attentionWeights struct {
	d, heads                int
	qkv, bias, out, outBias []float32
}

func foldAttention(l *loader, name string, a attentionWeights) *foldedAttention {
	d, n := a.d, a.heads*a.d
	queryBias, outBias := a.foldBiases()
	f := &foldedAttention{
		query: linear{Weight: l.shared(name+"folded_query", n, d, l.dev.UploadMatrix, a.foldQuery), Bias: l.upload(1, n, queryBias)},
		out:   linear{Weight: l.shared(name+"folded_out", d, n, l.dev.UploadMatrix, a.foldOut), Bias: l.upload(1, d, outBias)},
	}
	if l.err != nil {
		return nil
	}
	return f
}

// foldQuery returns Wkₕᵀ·Wqₕ, head below head.
func (a attentionWeights) foldQuery() []float32 {
	d, dim := a.d, a.d/a.heads
	wq, wk := a.qkv[:d*d], a.qkv[d*d:2*d*d]
	query := make([]float32, a.heads*d*d)
	a.eachHead(func(h int, sum []float64) {
		for i := range d {
			clear(sum)
			for j := h * dim; j < (h+1)*dim; j++ {
				addTimes(sum, wq[j*d:(j+1)*d], float64(wk[j*d+i]))
			}
			store(query[(h*d+i)*d:], sum)
		}
	})
	return query
}

// foldOut returns Woₕ·Wvₕ, head beside head.
func (a attentionWeights) foldOut() []float32 {
	d, dim, n := a.d, a.d/a.heads, a.heads*a.d
	wv := a.qkv[2*d*d:]
	out := make([]float32, d*n)
	a.eachHead(func(h int, sum []float64) {
		for i := range d {
			clear(sum)
			for j := h * dim; j < (h+1)*dim; j++ {
				addTimes(sum, wv[j*d:(j+1)*d], float64(a.out[i*d+j]))
			}
			store(out[i*n+h*d:], sum)
		}
	})
	return out
}

// foldBiases returns Wkₕᵀ·bqₕ, head below head, and Wo·bv + bo.
func (a attentionWeights) foldBiases() (query, out []float32) {
	d, dim := a.d, a.d/a.heads
	wk, bq, bv := a.qkv[d*d:2*d*d], a.bias[:d], a.bias[2*d:]
	query, out = make([]float32, a.heads*d), make([]float32, d)
	sum := make([]float64, d)
	for h := range a.heads {
		clear(sum)
		for j := h * dim; j < (h+1)*dim; j++ {
			addTimes(sum, wk[j*d:(j+1)*d], float64(bq[j]))
		}
		store(query[h*d:], sum)
	}
	for i := range d {
		bias := float64(a.outBias[i])
		for j, w := range a.out[i*d : (i+1)*d] {
			bias += float64(w) * float64(bv[j])
		}
		out[i] = float32(bias)
	}
	return query, out
}

// eachHead runs f for all heads at once, each with memory for d sums.
func (a attentionWeights) eachHead(f func(h int, sum []float64)) {
	var heads sync.WaitGroup
	for h := range a.heads {
		heads.Go(func() { f(h, make([]float64, a.d)) })
	}
	heads.Wait()
}

func addTimes(sum []float64, x []float32, factor float64) {
	for i, v := range x {
		sum[i] += factor * float64(v)
	}
}

func store(dst []float32, x []float64) {
	for i, v := range x {
		dst[i] = float32(v)
	}
}

// attend returns what the tokens top, one of each cell, gather from the inputs h
// of their cells: cells × heads·d, for f.out.
func (f *foldedAttention) attend(s *scope, top, h compute.Tensor, cells compute.Layout, heads int) compute.Tensor {
	queries := s.linear(top, f.query, compute.Identity)
	if s.err != nil {
		return nil
	}
	dst := s.tensor(queries.Rows(), queries.Cols())
	scale := float32(1 / math.Sqrt(float64(top.Cols()/heads)))
	s.do(func() error {
		return s.dev.(compute.InputAttender).AttendInputs(s.ctx, dst, queries, h, cells, scale)
	})
	return dst
}
