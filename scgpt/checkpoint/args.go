package checkpoint

import (
	"encoding/json"
	"math"
	"path/filepath"
	"strings"
)

// Input embedding styles: how a gene's value enters the model.
const (
	// Continuous is a small network over the value.
	Continuous = "continuous"
	// Category is a table with a row for each bin.
	Category = "category"
	// Scaling multiplies the gene's embedding by the value.
	Scaling = "scaling"
)

// Cell embedding styles: how the tokens' embeddings become the cell's.
const (
	// CLS takes the embedding of the first token.
	CLS = "cls"
	// AvgPool takes the mean over all tokens.
	AvgPool = "avg-pool"
	// WPool takes the sum weighted with the values, then normalises it.
	WPool = "w-pool"
)

// Args describes the model: what args.json says and, in its second half, what
// the weights show.
type Args struct {
	// EmbSize is the width d of the model.
	EmbSize int `json:"embsize"`
	// NHeads is the number of attention heads; it divides EmbSize. Nothing
	// but args.json holds it.
	NHeads int `json:"nheads"`
	// DHid is the width of the feed-forward layers.
	DHid int `json:"d_hid"`
	// NLayers is the number of transformer layers.
	NLayers int `json:"nlayers"`
	// NLayersCls is the number of layers of the classifier: the classifier's
	// own, else what args.json says, default 3.
	NLayersCls int `json:"n_layers_cls"`
	// NBins is the number of value bins, zero included. Default 51.
	NBins int `json:"n_bins"`
	// PadToken is the vocabulary's padding token. Default "<pad>".
	PadToken string `json:"pad_token"`
	// PadValue is the value of padding, and of <cls> on the zero-shot path.
	// Default -2.
	PadValue float32 `json:"pad_value"`
	// MaskValue is the value of masked genes. Default -1.
	MaskValue float32 `json:"mask_value"`
	// MaxSeqLen is the number of tokens, <cls> included, that the model was
	// trained with at most. Default 1200.
	MaxSeqLen int `json:"max_seq_len"`
	// InputEmbStyle is Continuous, Category or Scaling; when args.json does
	// not say, the style whose tensors are there.
	InputEmbStyle string `json:"input_emb_style"`
	// CellEmbStyle is CLS, AvgPool or WPool. Default CLS.
	CellEmbStyle string `json:"cell_emb_style"`

	// InputBins is the number of rows of the value table of style Category,
	// else 0.
	InputBins int `json:"n_input_bins,omitempty"`
	// BatchNorm says whether one batch normalisation over all cells follows
	// the embedding (bn.*).
	BatchNorm bool `json:"batch_norm"`
	// Domains is the number of domain-specific batch normalisations
	// (dsbn.bns.*), 0 for none.
	Domains int `json:"dsbn_domains"`
	// BatchLabels is the number of batch labels that the decoders know
	// (batch_encoder.*), 0 for none.
	BatchLabels int `json:"batch_labels"`
	// ExplicitZeroProb says whether the decoders predict the probability of a
	// value that is not zero (decoder.zero_logit.*, mvc_decoder.W_zero_logit.*).
	ExplicitZeroProb bool `json:"explicit_zero_prob"`
	// DecoderIn is the input width of the expression decoder: EmbSize, or
	// twice that with batch labels; 0 without that decoder.
	DecoderIn int `json:"decoder_in,omitempty"`
	// Classes is the number of rows of the classifier, 0 without one.
	Classes int `json:"classes"`
}

// Bounds of what args.json may say; far above any scGPT, far below what would
// overflow.
const (
	maxWidth   = 1 << 16
	maxHeads   = 1 << 12
	maxLayers  = 1 << 10
	maxBins    = 1 << 16
	maxSeqLen  = 1 << 24
	maxValue   = 1 << 24
	maxArgSize = 1 << 20
)

// argsFile is args.json as it stands: nil for what it does not say.
type argsFile struct {
	EmbSize       *float64 `json:"embsize"`
	NHeads        *float64 `json:"nheads"`
	DHid          *float64 `json:"d_hid"`
	NLayers       *float64 `json:"nlayers"`
	NLayersCls    *float64 `json:"n_layers_cls"`
	NBins         *float64 `json:"n_bins"`
	PadToken      *string  `json:"pad_token"`
	PadValue      *float64 `json:"pad_value"`
	MaskValue     *float64 `json:"mask_value"`
	MaxSeqLen     *float64 `json:"max_seq_len"`
	InputEmbStyle *string  `json:"input_emb_style"`
	CellEmbStyle  *string  `json:"cell_emb_style"`
}

// readArgs returns what args.json says; 0 and "" stand for what is left to be
// inferred from the weights.
func readArgs(dir string) (Args, error) {
	path := filepath.Join(dir, "args.json")
	data, err := readSmall(path, maxArgSize)
	if err != nil {
		return Args{}, err
	}
	return parseArgs(path, data)
}

func parseArgs(path string, data []byte) (Args, error) {
	var file argsFile
	if err := json.Unmarshal(data, &file); err != nil {
		return Args{}, invalidf(path, "%v", err)
	}
	p := argsParser{path: path}
	args := Args{
		EmbSize:       p.count("embsize", file.EmbSize, 0, maxWidth),
		NHeads:        p.count("nheads", file.NHeads, 0, maxHeads),
		DHid:          p.count("d_hid", file.DHid, 0, maxWidth),
		NLayers:       p.count("nlayers", file.NLayers, 0, maxLayers),
		NLayersCls:    p.count("n_layers_cls", file.NLayersCls, 3, maxLayers),
		NBins:         p.count("n_bins", file.NBins, 51, maxBins),
		PadToken:      p.word("pad_token", file.PadToken, "<pad>"),
		PadValue:      p.value("pad_value", file.PadValue, -2),
		MaskValue:     p.value("mask_value", file.MaskValue, -1),
		MaxSeqLen:     p.count("max_seq_len", file.MaxSeqLen, 1200, maxSeqLen),
		InputEmbStyle: p.word("input_emb_style", file.InputEmbStyle, "", Continuous, Category, Scaling),
		CellEmbStyle:  p.word("cell_emb_style", file.CellEmbStyle, CLS, CLS, AvgPool, WPool),
	}
	switch {
	case p.err != nil:
		return Args{}, p.err
	case args.NHeads == 0:
		return Args{}, invalidf(path, "nheads is missing, and the weights do not show the number of attention heads")
	case args.NBins < 2:
		return Args{}, invalidf(path, "n_bins = %d, but zero and one more bin are the least", args.NBins)
	case args.EmbSize%args.NHeads != 0:
		return Args{}, invalidf(path, "embsize = %d is no multiple of nheads = %d", args.EmbSize, args.NHeads)
	}
	return args, nil
}

// argsParser checks values of args.json and keeps the first error.
type argsParser struct {
	path string
	err  error
}

func (p *argsParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = invalidf(p.path, format, args...)
	}
}

func (p *argsParser) count(field string, v *float64, missing, most int) int {
	if v == nil {
		return missing
	}
	if *v != math.Trunc(*v) || *v < 1 || *v > float64(most) {
		p.fail("%s = %v, a whole number from 1 to %d would be right", field, *v, most)
		return missing
	}
	return int(*v)
}

func (p *argsParser) value(field string, v *float64, missing float32) float32 {
	if v == nil {
		return missing
	}
	if math.Abs(*v) > maxValue {
		p.fail("%s = %v, a number within ±%d would be right", field, *v, maxValue)
		return missing
	}
	return float32(*v)
}

func (p *argsParser) word(field string, v *string, missing string, known ...string) string {
	if v == nil {
		return missing
	}
	if len(known) == 0 {
		if *v == "" {
			p.fail("%s is empty", field)
		}
		return *v
	}
	for _, k := range known {
		if *v == k {
			return k
		}
	}
	p.fail("%s = %q, one of %s would be right", field, *v, strings.Join(known, ", "))
	return missing
}
