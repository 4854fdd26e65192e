package checkpoint

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
)

// Heads says which optional parts of the model the weights hold.
type Heads struct {
	// Decoder predicts expression from a token (decoder.fc.*).
	Decoder bool `json:"decoder"`
	// DecoderZero predicts whether it is zero (decoder.zero_logit.*).
	DecoderZero bool `json:"decoder_zero"`
	// Cls classifies cells (cls_decoder.*).
	Cls bool `json:"cls"`
	// MVC predicts expression from the cell embedding (mvc_decoder.*), by
	// inner product.
	MVC bool `json:"mvc"`
	// MVCZero predicts whether it is zero (mvc_decoder.W_zero_logit.*).
	MVCZero bool `json:"mvc_zero"`
	// DAB tells batches apart (grad_reverse_discriminator.*).
	DAB bool `json:"dab"`
}

const layerPrefix = "transformer_encoder.layers."

// layout checks the tensors against the model that args and their names
// describe, completes args, and marks what is used.
type layout struct {
	argsPath string
	w        *weights
	args     *Args
	heads    Heads
	used     map[string]bool
	// spare are tensors that belong to the model but that inference does not
	// need, such as the counters of batch normalisation.
	spare map[string]bool
}

// check returns the layout of a whole model, or says what is wrong.
func check(argsPath string, w *weights, args *Args, vocab int) (*layout, error) {
	l := &layout{argsPath: argsPath, w: w, args: args, used: map[string]bool{}, spare: map[string]bool{}}
	steps := []func() error{
		func() error { return l.embedding(vocab) },
		l.valueEncoder,
		l.layers,
		l.norms,
		l.batchEncoder,
		l.decoder,
		l.classifier,
		l.mvc,
		l.discriminator,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *layout) has(name string) bool {
	_, ok := l.w.tensors[name]
	return ok
}

// any says whether a tensor's name begins with prefix.
func (l *layout) any(prefix string) bool {
	for name := range l.w.tensors {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// need takes a tensor that must be there with that shape.
func (l *layout) need(name string, shape ...int) error {
	t, ok := l.w.tensors[name]
	if !ok {
		return invalidf(l.w.path, "tensor %q is missing, it should have shape %v", name, shape)
	}
	if !slices.Equal(t.Shape, shape) {
		return invalidf(l.w.path, "tensor %q has shape %v, %v would be right", name, t.Shape, shape)
	}
	switch t.DType {
	case safetensors.F32, safetensors.F16, safetensors.BF16, safetensors.F64, safetensors.I64:
	default:
		return invalidf(l.w.path, "tensor %q holds elements of type %s; F32, F16, BF16 or F64 would be right", name, t.DType)
	}
	l.used[name] = true
	return nil
}

// dim returns dimension i of a tensor with rank dimensions, which must not be 0.
func (l *layout) dim(name string, rank, i int) (int, error) {
	t, ok := l.w.tensors[name]
	if !ok {
		return 0, invalidf(l.w.path, "tensor %q is missing", name)
	}
	if len(t.Shape) != rank || t.Shape[i] < 1 {
		return 0, invalidf(l.w.path, "tensor %q has shape %v, %d dimensions would be right, none of them 0", name, t.Shape, rank)
	}
	return t.Shape[i], nil
}

// linear needs a layer's matrix and its bias.
func (l *layout) linear(name string, out, in int) error {
	return cmp.Or(l.need(name+".weight", out, in), l.need(name+".bias", out))
}

// norm needs the scale and shift of a layer normalisation.
func (l *layout) norm(name string) error {
	return cmp.Or(l.need(name+".weight", l.args.EmbSize), l.need(name+".bias", l.args.EmbSize))
}

func (l *layout) embedding(vocab int) error {
	const table = "encoder.embedding.weight"
	rows, err := l.dim(table, 2, 0)
	if err != nil {
		return err
	}
	d, err := l.dim(table, 2, 1)
	if err != nil {
		return err
	}
	switch a := l.args; {
	case a.EmbSize == 0:
		a.EmbSize = d
		if d > maxWidth {
			return invalidf(l.w.path, "tensor %q has %d columns, more than %d", table, d, maxWidth)
		}
		if d%a.NHeads != 0 {
			return invalidf(l.argsPath, "nheads = %d does not divide the width %d of the weights", a.NHeads, d)
		}
	case a.EmbSize != d:
		return invalidf(l.w.path, "tensor %q has shape [%d %d], but args.json says embsize = %d", table, rows, d, a.EmbSize)
	}
	if rows != vocab {
		return invalidf(l.w.path, "tensor %q has %d rows, but vocab.json has %d tokens (its missing specials counted in)", table, rows, vocab)
	}
	return cmp.Or(l.need(table, rows, d), l.norm("encoder.enc_norm"))
}

func (l *layout) valueEncoder() error {
	const network, table = "value_encoder.linear1.weight", "value_encoder.embedding.weight"
	d, a := l.args.EmbSize, l.args
	if a.InputEmbStyle == "" {
		switch {
		case l.has(network):
			a.InputEmbStyle = Continuous
		case l.has(table):
			a.InputEmbStyle = Category
		case l.any("value_encoder."):
			return invalidf(l.w.path, "value_encoder.* is neither of style continuous (%q is missing) nor category (%q is missing)", network, table)
		default:
			a.InputEmbStyle = Scaling
		}
	}
	switch a.InputEmbStyle {
	case Continuous:
		if !l.has(network) && l.has(table) {
			return invalidf(l.argsPath, "input_emb_style = %q, but the weights are of style %q: %q is there", Continuous, Category, table)
		}
		return cmp.Or(
			l.linear("value_encoder.linear1", d, 1),
			l.linear("value_encoder.linear2", d, d),
			l.norm("value_encoder.norm"))
	case Category:
		if !l.has(table) && l.has(network) {
			return invalidf(l.argsPath, "input_emb_style = %q, but the weights are of style %q: %q is there", Category, Continuous, network)
		}
		rows, err := l.dim(table, 2, 0)
		if err != nil {
			return err
		}
		if rows < a.NBins {
			return invalidf(l.w.path, "tensor %q has %d rows, but args.json says n_bins = %d", table, rows, a.NBins)
		}
		a.InputBins = rows
		return cmp.Or(l.need(table, rows, d), l.norm("value_encoder.enc_norm"))
	}
	return nil
}

func (l *layout) layers() error {
	n, err := l.numbered(layerPrefix)
	if err != nil {
		return err
	}
	a, d := l.args, l.args.EmbSize
	switch {
	case n == 0:
		return invalidf(l.w.path, "no tensor %s0.*: there are no transformer layers", layerPrefix)
	case a.NLayers == 0:
		a.NLayers = n
	case a.NLayers != n:
		return invalidf(l.w.path, "the weights have transformer layers 0 to %d, but args.json says nlayers = %d", n-1, a.NLayers)
	}
	if a.DHid == 0 {
		if a.DHid, err = l.dim(layerPrefix+"0.linear1.weight", 2, 0); err != nil {
			return err
		}
		if a.DHid > maxWidth {
			return invalidf(l.w.path, "tensor %q has %d rows, more than %d", layerPrefix+"0.linear1.weight", a.DHid, maxWidth)
		}
	}
	for i := range n {
		p := layerPrefix + strconv.Itoa(i)
		if err := cmp.Or(
			l.linear(p+".self_attn.Wqkv", 3*d, d),
			l.linear(p+".self_attn.out_proj", d, d),
			l.linear(p+".linear1", a.DHid, d),
			l.linear(p+".linear2", d, a.DHid),
			l.norm(p+".norm1"),
			l.norm(p+".norm2")); err != nil {
			return err
		}
	}
	return nil
}

// numbered returns one more than the highest N of the names prefix + N + ".…".
func (l *layout) numbered(prefix string) (int, error) {
	n := 0
	for name := range l.w.tensors {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		digits, _, _ := strings.Cut(rest, ".")
		i, err := strconv.ParseUint(digits, 10, 31)
		if err != nil {
			return 0, invalidf(l.w.path, "tensor %q: no number behind %q", name, prefix)
		}
		// A high number would be answered with thousands of missing tensors.
		if i >= maxLayers {
			return 0, invalidf(l.w.path, "tensor %q: number %d is above %d", name, i, maxLayers-1)
		}
		n = max(n, int(i)+1)
	}
	return n, nil
}

// norms takes the batch normalisation of the embedded tokens: one for each
// domain, without scale and shift, or one for all.
func (l *layout) norms() error {
	d := l.args.EmbSize
	domains, err := l.numbered("dsbn.bns.")
	if err != nil {
		return err
	}
	l.args.Domains = domains
	for k := range domains {
		p := "dsbn.bns." + strconv.Itoa(k)
		if l.has(p + ".weight") {
			return invalidf(l.w.path, "tensor %q: scGPT's normalisation by domain has no scale and shift", p+".weight")
		}
		if err := cmp.Or(l.need(p+".running_mean", d), l.need(p+".running_var", d)); err != nil {
			return err
		}
		l.spare[p+".num_batches_tracked"] = true
	}
	if !l.any("bn.") {
		return nil
	}
	if domains > 0 {
		return invalidf(l.w.path, "both bn.* and dsbn.* are there, a model has one of them")
	}
	l.args.BatchNorm = true
	l.spare["bn.num_batches_tracked"] = true
	return cmp.Or(l.norm("bn"), l.need("bn.running_mean", d), l.need("bn.running_var", d))
}

func (l *layout) batchEncoder() error {
	const table = "batch_encoder.embedding.weight"
	if !l.any("batch_encoder.") {
		return nil
	}
	rows, err := l.dim(table, 2, 0)
	if err != nil {
		return err
	}
	l.args.BatchLabels = rows
	return cmp.Or(l.need(table, rows, l.args.EmbSize), l.norm("batch_encoder.enc_norm"))
}

// decoderIn is the width that the decoders read: the embedding and, with batch
// labels, the batch's beside it.
func (l *layout) decoderIn() int {
	if l.args.BatchLabels > 0 {
		return 2 * l.args.EmbSize
	}
	return l.args.EmbSize
}

func (l *layout) decoder() error {
	in, d := l.decoderIn(), l.args.EmbSize
	mlp := func(name string) error {
		return cmp.Or(l.linear(name+".0", d, in), l.linear(name+".2", d, d), l.linear(name+".4", 1, d))
	}
	if !l.any("decoder.") {
		return nil
	}
	l.heads.Decoder = true
	l.args.DecoderIn = in
	if err := mlp("decoder.fc"); err != nil {
		return err
	}
	if !l.any("decoder.zero_logit.") {
		return nil
	}
	l.heads.DecoderZero = true
	l.args.ExplicitZeroProb = true
	return mlp("decoder.zero_logit")
}

// mlp takes a ClsDecoder: linear layers each followed by an activation and a
// normalisation, then the output. It returns its layers and classes.
func (l *layout) mlp(name string) (layers, classes int, err error) {
	n, err := l.numbered(name + "._decoder.")
	if err != nil {
		return 0, 0, err
	}
	// Three modules a layer: linear, activation, normalisation.
	hidden, d := (n+2)/3, l.args.EmbSize
	for i := range hidden {
		if err := cmp.Or(
			l.linear(fmt.Sprintf("%s._decoder.%d", name, 3*i), d, d),
			l.norm(fmt.Sprintf("%s._decoder.%d", name, 3*i+2))); err != nil {
			return 0, 0, err
		}
	}
	classes, err = l.dim(name+".out_layer.weight", 2, 0)
	if err != nil {
		return 0, 0, err
	}
	return hidden + 1, classes, l.linear(name+".out_layer", classes, d)
}

func (l *layout) classifier() (err error) {
	if !l.any("cls_decoder.") {
		return nil
	}
	l.heads.Cls = true
	l.args.NLayersCls, l.args.Classes, err = l.mlp("cls_decoder")
	return err
}

func (l *layout) mvc() error {
	if !l.any("mvc_decoder.") {
		return nil
	}
	// Upstream's other styles ("concat query", "sum query") cannot run there,
	// so they count as unknown tensors.
	if l.has("mvc_decoder.fc1.weight") {
		return nil
	}
	in, d := l.decoderIn(), l.args.EmbSize
	l.heads.MVC = true
	if err := cmp.Or(l.linear("mvc_decoder.gene2query", d, d), l.need("mvc_decoder.W.weight", in, d)); err != nil {
		return err
	}
	if !l.any("mvc_decoder.W_zero_logit.") {
		return nil
	}
	l.heads.MVCZero = true
	l.args.ExplicitZeroProb = true
	return l.linear("mvc_decoder.W_zero_logit", in, d)
}

func (l *layout) discriminator() error {
	const name = "grad_reverse_discriminator"
	if !l.any(name + ".") {
		return nil
	}
	l.heads.DAB = true
	_, _, err := l.mlp(name)
	return err
}

// unknown returns the names of tensors that are no part of the model, sorted.
func (l *layout) unknown() []string {
	var names []string
	for _, name := range l.w.names() {
		if !l.used[name] && !l.spare[name] {
			names = append(names, name)
		}
	}
	return names
}
