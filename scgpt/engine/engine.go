package engine

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/model"
)

// Engine is one model on one device. It is safe for concurrent use; callers
// share the device's speed.
type Engine struct {
	dir    string
	dev    compute.Device
	ck     *checkpoint.Checkpoint
	model  *model.Model
	labels []string
}

// Load loads the model of a folder onto a device, which must outlive the
// engine. Errors: fs.ErrNotExist for a missing folder or file, else what
// checkpoint.Open and model.Load say.
func Load(dir string, dev compute.Device) (*Engine, error) { return LoadMapped(dir, dev, "", nil) }

// LoadMapped is [Load] with the model's weights from a file in the folder layouts,
// which processes share; see [model.LoadMapped].
func LoadMapped(dir string, dev compute.Device, layouts string, warn func(error)) (*Engine, error) {
	ck, err := checkpoint.Open(dir)
	if err != nil {
		return nil, err
	}
	m, err := model.LoadMapped(dev, ck, layouts, warn)
	if err != nil {
		return nil, errors.Join(err, ck.Close())
	}
	return &Engine{dir: dir, dev: dev, ck: ck, model: m, labels: ck.Labels()}, nil
}

// Close releases the model; the device stays open.
func (e *Engine) Close() error { return errors.Join(e.model.Close(), e.ck.Close()) }

// Name returns the name of the model's folder.
func (e *Engine) Name() string { return filepath.Base(e.dir) }

// Fingerprint identifies the model by its content.
func (e *Engine) Fingerprint() string { return e.ck.Fingerprint() }

// Class returns the class of the device, such as cpu/avx512/fp32. Results are
// equal byte for byte within one class only.
func (e *Engine) Class() string { return e.dev.Class() }

// Precision returns the precision of the device, the last part of its class.
func (e *Engine) Precision() string { return PrecisionOf(e.dev.Class()) }

// PrecisionOf returns the precision that a device class names.
func PrecisionOf(class string) string { return class[strings.LastIndexByte(class, '/')+1:] }

// Labels returns the names of the classifier's classes, nil without any.
func (e *Engine) Labels() []string { return slices.Clone(e.labels) }

// Classes returns the number of the classifier's classes, 0 without one.
func (e *Engine) Classes() int { return e.model.Classes() }

// EmbSize returns the length of an embedding.
func (e *Engine) EmbSize() int { return e.model.EmbSize() }

// BatchTokens returns the number of tokens of a forward pass. It is less than
// the device's own after a pass did not fit into its memory.
func (e *Engine) BatchTokens() int { return e.model.BatchTokens() }

// BatchBytes estimates the device memory, beside the weights, of a forward pass
// over cells of that many tokens.
func (e *Engine) BatchBytes(tokens int) int64 { return e.model.BatchBytes(tokens) }

// TableBytes is the memory that the model takes besides, once it has met that many
// different genes.
func (e *Engine) TableBytes(genes int) int64 { return e.model.TableBytes(genes) }

// WeightBytes returns the size of the model's parameters in fp32.
func (e *Engine) WeightBytes() int64 { return 4 * int64(e.ck.Describe().Parameters) }

// Cost estimates the floating-point operations of cells with a given number of
// tokens each: 2·layers·(3d² + d² + 2·d·d_hid)·L for the products with weights
// and 4·layers·d·L² for attention.
func (e *Engine) Cost(cells int, tokensPerCell float64) float64 {
	a := e.ck.Args()
	d, hid, layers := float64(a.EmbSize), float64(a.DHid), float64(a.NLayers)
	perCell := layers * (2*(4*d*d+2*d*hid)*tokensPerCell + 4*d*tokensPerCell*tokensPerCell)
	return float64(cells) * perCell
}
