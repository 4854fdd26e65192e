package hvg

import "fmt"

// A Flavor is a measure of variability.
type Flavor string

// The flavors, named as in scanpy.
const (
	// SeuratV3 is for counts. It compares a gene's variance, after clipping
	// large values, with what a curve through all genes expects at its mean
	// (Stuart et al., Cell 177, 2019). It reads the cells twice.
	SeuratV3 Flavor = "seurat_v3"

	// CellRanger is for log-normalised values. It compares a gene's dispersion,
	// which is variance over mean, with those of the genes in the same of 20
	// bins by mean (Zheng et al., Nat Commun 8, 2017). It reads the cells once.
	CellRanger Flavor = "cell_ranger"
)

// DefaultSpan is the share of genes that a local fit of seurat_v3 takes in.
const DefaultSpan = 0.3

// Options say what to choose.
type Options struct {
	// Flavor must be given: which one is right depends on the values.
	Flavor Flavor

	// N is how many genes to choose, at least 1.
	N int

	// Batches names the batch of each cell. The genes are then chosen by what
	// they are in each batch: by the median of their ranks (SeuratV3) or by the
	// number of batches that choose them (CellRanger). Nil means one batch. A
	// batch has at least 2 cells.
	Batches []string

	// Span is the share of genes in a local fit of SeuratV3, above 0 and at most
	// 1. 0 means DefaultSpan. A matrix of few genes may need a larger one.
	Span float64

	// AllowFractions lets SeuratV3 take values that are not whole numbers, such
	// as counts corrected for ambient RNA; [Result.Fractions] counts them. By
	// default they are an error, since most often they are values that were
	// normalised already. (scanpy warns and goes on.)
	AllowFractions bool
}

func (o Options) check(genes int) (Options, error) {
	if o.Flavor != SeuratV3 && o.Flavor != CellRanger {
		return o, fmt.Errorf("flavor %q is unknown; there are %q, for counts, and %q, for log-normalised values", o.Flavor, SeuratV3, CellRanger)
	}
	if o.N < 1 {
		return o, fmt.Errorf("%d genes asked for, want at least 1", o.N)
	}
	if o.N > genes {
		return o, dataErrorf("%d highly variable genes asked for, but there are %d genes", o.N, genes)
	}
	if o.Span == 0 {
		o.Span = DefaultSpan
	}
	if !(o.Span > 0 && o.Span <= 1) {
		return o, fmt.Errorf("span %v, want above 0 and at most 1", o.Span)
	}
	return o, nil
}
