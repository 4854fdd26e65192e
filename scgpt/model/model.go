package model

import (
	"context"
	"errors"
	"sync"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// Model is a checkpoint's network on a device. Its methods may be called from
// several goroutines; the device runs one operation at a time, so that they
// share its speed.
type Model struct {
	// open is held for reading by who uses the weights: they may lie in a mapped
	// file, which Close unmaps. life ends when Close is called.
	open sync.RWMutex
	life context.Context
	end  context.CancelCauseFunc

	dev    compute.Device
	args   checkpoint.Args
	vocab  int
	layers []layer
	values valueEncoder
	genes  compute.Tensor // LayerNorm(E), vocabulary × d
	norms  []batchNorm    // none, one, or one for each domain
	tables *inputTables   // nil where the first layer is computed like the others

	batch      *batchEncoder // nil without batch labels
	classifier *classifier   // nil without
	domain     *classifier   // the discriminator of batches, nil without
	expression *exprDecoder  // nil without
	zero       *exprDecoder  // nil without
	mvc        *mvcDecoder   // nil without
	weights    loader        // owns what is on the device
	limit      *batchLimit
}

// Load lays the weights of a checkpoint out on a device. The checkpoint may
// be closed afterwards. Tensors that inference does not use are ignored; a
// missing or misshapen one of the encoder is an [*Error].
func Load(dev compute.Device, ck *checkpoint.Checkpoint) (*Model, error) { return load(dev, ck, nil) }

// load takes from laid what is laid out there.
func load(dev compute.Device, ck *checkpoint.Checkpoint, laid *layout) (*Model, error) {
	args := ck.Args()
	m := &Model{dev: dev, args: args, weights: loader{dev: dev, ck: ck, laid: laid}, limit: newBatchLimit(dev.BatchTokens())}
	m.life, m.end = context.WithCancelCause(context.Background())
	l := &m.weights
	d := args.EmbSize
	if d < 1 || args.NHeads < 1 || d%args.NHeads != 0 || args.NLayers < 1 || args.DHid < 1 {
		return nil, invalidf("args", "embsize %d, nheads %d, nlayers %d and d_hid %d describe no transformer", d, args.NHeads, args.NLayers, args.DHid)
	}

	// The table of genes is the larger half of a published model.
	join := l.beside(func(l *loader) { m.genes = l.normedTable("encoder.embedding.weight", "encoder.enc_norm", d) })
	m.values = loadValueEncoder(l, args)
	m.norms = loadBatchNorms(l, args)
	for i := range args.NLayers {
		m.layers = append(m.layers, loadLayer(l, args, i))
	}
	m.batch = loadBatchEncoder(l, d)
	m.classifier = loadClassifier(l, "cls_decoder", d, compute.ReLU)
	m.domain = loadClassifier(l, "grad_reverse_discriminator", d, compute.LeakyReLU)
	m.expression = loadExprDecoder(l, "decoder.fc", d, m.batch)
	m.zero = loadExprDecoder(l, "decoder.zero_logit", d, m.batch)
	m.mvc = loadMVCDecoder(l, d, m.batch)
	if b := m.batch; b != nil && args.Domains > 0 && b.labels != args.Domains {
		l.fail(invalidf("batch_encoder", "%d batch labels, but %d domain-specific batch norms", b.labels, args.Domains))
	}
	join()
	m.tables = loadInputTables(l, m)
	if l.err != nil {
		l.free()
		return nil, l.err
	}
	l.ck, l.laid = nil, nil
	m.vocab = m.genes.Rows()
	return m, nil
}

// errClosed is what a closed model answers.
var errClosed = errors.New("model: closed")

// use keeps the weights where they are until done is called, and returns a context
// that also ends when Close is.
func (m *Model) use(ctx context.Context) (_ context.Context, done func(), err error) {
	m.open.RLock()
	if err := context.Cause(m.life); err != nil {
		m.open.RUnlock()
		return nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	forget := context.AfterFunc(m.life, func() { cancel(errClosed) })
	return ctx, func() {
		forget()
		cancel(nil)
		m.open.RUnlock()
	}, nil
}

// Close ends the calls in progress, which return an error, as those do that come
// later, and frees what the model holds on its device, which stays open. A second
// Close does nothing.
func (m *Model) Close() error {
	m.end(errClosed)
	m.open.Lock()
	defer m.open.Unlock()
	m.weights.free()
	return nil
}

// EmbSize returns the width of embeddings.
func (m *Model) EmbSize() int { return m.args.EmbSize }

// Heads returns the number of attention heads.
func (m *Model) Heads() int { return m.args.NHeads }

// VocabSize returns the number of rows of the gene table; ids are below it.
func (m *Model) VocabSize() int { return m.vocab }

// Classes returns the number of the classifier's classes, 0 without one.
func (m *Model) Classes() int {
	if m.classifier == nil {
		return 0
	}
	return m.classifier.out.Weight.Out()
}

// Domains returns how many domains [Options.Domain] may choose from, 0 when
// nothing in the model depends on it.
func (m *Model) Domains() int {
	n := 0
	if len(m.norms) > 1 {
		n = len(m.norms)
	}
	if m.batch != nil {
		n = max(n, m.batch.labels)
	}
	return n
}

// Class returns the class of the model's device: results are equal bit by bit
// within one class only.
func (m *Model) Class() string { return m.dev.Class() }

// BatchTokens returns the number of tokens of a forward pass: what the device
// works best with, or less after a pass did not fit into its memory. Forward cuts
// larger batches itself.
func (m *Model) BatchTokens() int { return m.limit.tokens() }

// InFlight is how many calls of Forward at a time keep the device busy: 1 where
// it works for its caller, more where it queues work. Each takes memory for a
// batch.
func (m *Model) InFlight() int { return compute.InFlight(m.dev) }

// BatchBytes estimates the device memory, beside the weights, of a forward
// pass over cells of that many tokens in one piece. Forward needs little more
// than it takes for BatchTokens, or for the longest cell if that is longer; a CPU
// also keeps, for each thread, up to 8·d bytes for each token of the longest cell.
func (m *Model) BatchBytes(tokens int) int64 {
	d := int64(m.args.EmbSize)
	const float = 4
	// h, q, k, v, attention and its projection; the hidden layer.
	perToken := 6*d + int64(m.args.DHid)
	// The decoders of single tokens work after the layers, on as much.
	return float * int64(tokens) * perToken
}

// TableBytes is the memory that the model takes besides, once it has met that many
// different genes: their part of the first layer, where the device keeps it.
func (m *Model) TableBytes(genes int) int64 {
	if m.tables == nil {
		return 0
	}
	const float = 4
	return float * int64(min(genes, m.vocab)) * int64(m.tables.genes.Cols())
}
