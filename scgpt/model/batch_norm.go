package model

import (
	"fmt"
	"math"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// batchNormEps is the epsilon of scGPT's batch norms (half precision's
// smallest normal number, as upstream sets it).
const batchNormEps = 6.1e-5

// batchNorm normalises the embedded tokens with running statistics.
type batchNorm struct {
	mean, scale, shift compute.Tensor
}

// loadBatchNorms returns none, the one norm of all cells, or one norm for
// each domain. Domain norms have no affine part in upstream's models; one that
// is there is applied.
func loadBatchNorms(l *loader, args checkpoint.Args) []batchNorm {
	switch {
	case args.Domains > 0:
		norms := make([]batchNorm, args.Domains)
		for k := range norms {
			norms[k] = loadBatchNorm(l, fmt.Sprintf("dsbn.bns.%d", k), args.EmbSize)
		}
		return norms
	case args.BatchNorm:
		return []batchNorm{loadBatchNorm(l, "bn", args.EmbSize)}
	}
	return nil
}

func loadBatchNorm(l *loader, name string, d int) batchNorm {
	mean, variance := l.host(name+".running_mean", d), l.host(name+".running_var", d)
	if l.err != nil {
		return batchNorm{}
	}
	scale, shift := make([]float32, d), make([]float32, d)
	for i, v := range variance {
		scale[i] = float32(1 / math.Sqrt(float64(v)+batchNormEps))
	}
	if l.has(name + ".weight") {
		weight, bias := l.host(name+".weight", d), l.host(name+".bias", d)
		if l.err != nil {
			return batchNorm{}
		}
		for i, v := range variance {
			scale[i] = float32(float64(weight[i]) / math.Sqrt(float64(v)+batchNormEps))
		}
		copy(shift, bias)
	}
	return batchNorm{l.upload(1, d, mean), l.upload(1, d, scale), l.upload(1, d, shift)}
}
