package tokens

import (
	"fmt"
	"math"
)

// Ties says which bin a value gets when it equals several bin edges, as the low
// counts of a cell nearly always do. Upstream draws one of the bins that the
// value spans at random.
type Ties string

const (
	// TiesMid takes the middle of the bins that the value spans (upstream with
	// its draw fixed at 0.5). The default, and the least biased.
	TiesMid Ties = "mid"
	// TiesLeft takes the highest of them (upstream with its draw fixed at 0,
	// numpy's digitize).
	TiesLeft Ties = "left"
	// TiesSeeded draws for each gene like upstream, from a generator of the
	// cell's own, seeded with Options.Seed and the cell's row. The draws are
	// not those of numpy.
	TiesSeeded Ties = "seeded"
)

// Cap says which genes a cell keeps that has more of them than fit. Whatever
// the rule, bins are those of the whole cell, and the kept genes stay in gene
// order.
type Cap string

const (
	// CapEven keeps genes evenly spaced over their values ranked high to low,
	// equal values in gene order: of n genes the ranks floor(i·n/k), i = 0 to
	// k-1. The default: its embeddings are the nearest to those of the whole
	// cell.
	CapEven Cap = "even"
	// CapFirst keeps the first genes in gene order.
	CapFirst Cap = "first"
	// CapHighest keeps the genes of the highest values, of equal ones the first
	// in gene order.
	CapHighest Cap = "highest"
	// CapSeeded draws genes like upstream, each set of k equally likely, from a
	// generator of the cell's own, seeded with Options.Seed and the cell's row.
	// The draws are not those of PyTorch or numpy.
	CapSeeded Cap = "seeded"
)

// Defaults of [Options].
const (
	DefaultNBins             = 51
	DefaultZeroShotMaxLength = 1200
	DefaultFineTuneMaxLength = 3001
)

// Options for [New]. [ZeroShot] and [FineTune] give those of the published ways.
type Options struct {
	// CLS is the vocabulary's id of <cls>, with which every cell begins.
	CLS int32
	// CLSValue is its value.
	CLSValue float32
	// NBins is the number of bins, that of zeros included. Default 51.
	NBins int
	// MaxLength is the largest number of tokens of a cell, <cls> included.
	// Default 1200; negative: no limit.
	MaxLength int
	// IncludeZeroGenes keeps genes of value 0, in bin 0; else they are left
	// out.
	IncludeZeroGenes bool
	// AllowNegative bins negative values like others, which upstream does for
	// the zero-shot way only; else they are an error, since scaled data is not
	// what the model was trained on.
	AllowNegative bool
	// Cap is the rule for cells of more than MaxLength tokens. Default CapEven.
	Cap Cap
	// Ties is the rule for equal values. Default TiesMid.
	Ties Ties
	// Seed is that of CapSeeded and TiesSeeded.
	Seed uint64
}

// ZeroShot returns the options of scGPT's embed_data: <cls> has the padding
// value, at most 1200 tokens.
func ZeroShot(cls int32, padValue float32) Options {
	return Options{CLS: cls, CLSValue: padValue, NBins: DefaultNBins, MaxLength: DefaultZeroShotMaxLength, Cap: CapEven, Ties: TiesMid}
}

// FineTune returns the options of scGPT's Preprocessor and
// tokenize_and_pad_batch, which fine-tuned models were trained with: <cls> has
// the value 0, at most 3001 tokens.
func FineTune(cls int32) Options {
	return Options{CLS: cls, NBins: DefaultNBins, MaxLength: DefaultFineTuneMaxLength, Cap: CapEven, Ties: TiesMid}
}

// withDefaults fills in zero values and checks the rest.
func (o Options) withDefaults() (Options, error) {
	if o.NBins == 0 {
		o.NBins = DefaultNBins
	}
	if o.MaxLength == 0 {
		o.MaxLength = DefaultZeroShotMaxLength
	}
	if o.MaxLength < 0 {
		o.MaxLength = math.MaxInt
	}
	if o.Cap == "" {
		o.Cap = CapEven
	}
	if o.Ties == "" {
		o.Ties = TiesMid
	}
	switch {
	case o.CLS < 0:
		return o, fmt.Errorf("option CLS: id %d, an id of the vocabulary would be right", o.CLS)
	case math.IsNaN(float64(o.CLSValue)) || math.IsInf(float64(o.CLSValue), 0):
		return o, fmt.Errorf("option CLSValue: %v is no finite number", o.CLSValue)
	case o.NBins < 3 || o.NBins > 1<<16:
		return o, fmt.Errorf("option NBins: %d bins, 3 to %d would be right", o.NBins, 1<<16)
	case o.MaxLength < 2:
		return o, fmt.Errorf("option MaxLength: %d tokens, <cls> and one gene are the least", o.MaxLength)
	}
	switch o.Cap {
	case CapEven, CapFirst, CapHighest, CapSeeded:
	default:
		return o, fmt.Errorf("option Cap: %q, one of %s, %s, %s, %s would be right", o.Cap, CapEven, CapFirst, CapHighest, CapSeeded)
	}
	switch o.Ties {
	case TiesMid, TiesLeft, TiesSeeded:
	default:
		return o, fmt.Errorf("option Ties: %q, one of %s, %s, %s would be right", o.Ties, TiesMid, TiesLeft, TiesSeeded)
	}
	return o, nil
}
