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

func foldAttention(l *loader, a attentionWeights) *foldedAttention {
	d, n := a.d, a.heads*a.d
	query, queryBias, out, outBias := a.fold()
	f := &foldedAttention{
		query: linear{Weight: l.uploadMatrix(n, d, query), Bias: l.upload(1, n, queryBias)},
		out:   linear{Weight: l.uploadMatrix(d, n, out), Bias: l.upload(1, d, outBias)},
	}
	if l.err != nil {
		return nil
	}
	return f
}

// fold multiplies the weights, head by head.
func (a attentionWeights) fold() (query, queryBias, out, outBias []float32) {
	d, dim := a.d, a.d/a.heads
	n := a.heads * d
	query, queryBias = make([]float32, n*d), make([]float32, n)
	out, outBias = make([]float32, d*n), make([]float32, d)
	wq, wk, wv := a.qkv[:d*d], a.qkv[d*d:2*d*d], a.qkv[2*d*d:]
	bq, bv := a.bias[:d], a.bias[2*d:]
	var heads sync.WaitGroup
	for h := range a.heads {
		heads.Go(func() {
			sum := make([]float64, d)
			for i := range d {
				clear(sum)
				var bias float64
				for j := h * dim; j < (h+1)*dim; j++ {
					k := float64(wk[j*d+i])
					addTimes(sum, wq[j*d:(j+1)*d], k)
					bias += k * float64(bq[j])
				}
				store(query[(h*d+i)*d:], sum)
				queryBias[h*d+i] = float32(bias)

				clear(sum)
				for j := h * dim; j < (h+1)*dim; j++ {
					addTimes(sum, wv[j*d:(j+1)*d], float64(a.out[i*d+j]))
				}
				store(out[i*n+h*d:], sum)
			}
		})
	}
	heads.Wait()
	for i := range d {
		bias := float64(a.outBias[i])
		for j, w := range a.out[i*d : (i+1)*d] {
			bias += float64(w) * float64(bv[j])
		}
		outBias[i] = float32(bias)
	}
	return query, queryBias, out, outBias
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
