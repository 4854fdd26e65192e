package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Files of ours, with names that upstream keeps nowhere: those of the
// classifier's cell types, and those of the batches that domain-specific batch
// norms and batch labels were learnt for.
const (
	labelsName  = "id2type.json"
	batchesName = "id2batch.json"
)

// Options for [OpenWith]. The zero value is what [Open] uses.
type Options struct {
	// Labels is a file with the cell types by class instead of the folder's
	// id2type.json: a JSON list, a JSON object between class and name in
	// either direction, or CSV (name, or class and name). It is an error when
	// the weights have no classifier.
	Labels string
	// Weights is the file with the weights, safetensors when its name ends so,
	// else a state dict of PyTorch. Default: the first that is there of
	// model.safetensors, best_model.pt and model.pt in the folder.
	Weights string
}

// Checkpoint is an open model folder. Its methods may be called from several
// goroutines; Close must be the last call.
type Checkpoint struct {
	dir    string
	args   Args
	vocab  *Vocab
	labels []string
	// labelsPath is the file that labels came from, empty without labels.
	labelsPath string
	batches    []string
	weights    *weights
	heads      Heads
	used       []string
	unknown    []string

	fingerprint func() string
}

// Open reads the model folder dir and checks that it describes one whole
// model. A file that is missing keeps fs.ErrNotExist; anything else that is
// wrong with the content is an [Error].
//
// The weights stay mapped until Close, and so follow their file: replace a model
// by renaming a new folder or file into place, never by writing into the file
// of one that is open.
func Open(dir string) (*Checkpoint, error) { return OpenWith(dir, Options{}) }

// OpenWith is Open with options.
func OpenWith(dir string, o Options) (*Checkpoint, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, invalidf(dir, "not a folder: a model is a folder with args.json, vocab.json and weights")
	}
	c := &Checkpoint{dir: dir}
	if c.args, err = readArgs(dir); err != nil {
		return nil, noModel(dir, err)
	}
	if c.vocab, err = readVocab(dir, c.args.PadToken); err != nil {
		return nil, err
	}
	if c.weights, err = openWeights(dir, o.Weights); err != nil {
		return nil, err
	}
	if err := c.complete(o); err != nil {
		return nil, errors.Join(err, c.weights.close())
	}
	c.fingerprint = sync.OnceValue(c.computeFingerprint)
	return c, nil
}

// noModel adds to the error of a folder without args.json what a model is, and those
// of its folders that may be one.
func noModel(dir string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	const most = 5
	var models []string
	// A pattern that is none finds nothing.
	found, _ := filepath.Glob(filepath.Join(dir, "*", "args.json"))
	for _, path := range found[:min(most, len(found))] {
		models = append(models, filepath.Base(filepath.Dir(path)))
	}
	hint := ""
	if len(models) > 0 {
		hint = fmt.Sprintf("; its folders %q may be models", models)
	}
	return fmt.Errorf("%w: a model is a folder with args.json, vocab.json and weights%s", err, hint)
}

// complete checks the weights and reads the labels, which need the number of
// classes.
func (c *Checkpoint) complete(o Options) error {
	l, err := check(filepath.Join(c.dir, "args.json"), c.weights, &c.args, c.vocab.Len())
	if err != nil {
		return err
	}
	c.heads = l.heads
	c.used = slices.Sorted(maps.Keys(l.used))
	c.unknown = l.unknown()

	if err := c.readBatches(); err != nil {
		return err
	}
	path := o.Labels
	if path == "" {
		path = filepath.Join(c.dir, labelsName)
	}
	labels, err := readLabels(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && o.Labels == "":
		return nil
	case err != nil:
		return err
	case !c.heads.Cls && o.Labels != "":
		return invalidf(path, "labels were given, but %s has no classifier (cls_decoder.*)", c.weights.path)
	case c.heads.Cls && len(labels) != c.args.Classes:
		return invalidf(path, "%d labels, but the classifier of %s has %d classes", len(labels), c.weights.path, c.args.Classes)
	}
	c.labels, c.labelsPath = labels, path
	return nil
}

// readBatches reads the names of the batches, where a file has them.
func (c *Checkpoint) readBatches() error {
	path := filepath.Join(c.dir, batchesName)
	batches, err := readLabels(path)
	switch domains := max(c.args.Domains, c.args.BatchLabels); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(batches) != domains:
		return invalidf(path, "%d batches, but the weights of %s tell %d apart", len(batches), c.weights.path, domains)
	}
	c.batches = batches
	return nil
}

// Dir returns the folder.
func (c *Checkpoint) Dir() string { return c.dir }

// Args returns the model's sizes and constants.
func (c *Checkpoint) Args() Args { return c.args }

// Vocab returns the vocabulary.
func (c *Checkpoint) Vocab() *Vocab { return c.vocab }

// Heads returns which optional parts the weights hold.
func (c *Checkpoint) Heads() Heads { return c.heads }

// Labels returns the cell types by class, nil when no file names them. The
// slice is the caller's.
func (c *Checkpoint) Labels() []string { return slices.Clone(c.labels) }

// Batches returns the names of the batches by domain, which id2batch.json
// holds in the form of id2type.json; nil without that file. The slice is the
// caller's.
func (c *Checkpoint) Batches() []string { return slices.Clone(c.batches) }

// Names returns the published names of all tensors in the weights, sorted,
// those of [Checkpoint.Unknown] among them. The slice is the caller's.
func (c *Checkpoint) Names() []string { return c.weights.names() }

// Tensor returns a tensor by its published name, and whether there is one.
func (c *Checkpoint) Tensor(name string) (Tensor, bool) {
	t, ok := c.weights.tensors[name]
	return t.clone(), ok
}

// Unknown returns the names of tensors that no part of the model uses, sorted.
// The published models have flag_encoder.weight, used in pre-training only. The
// slice is the caller's.
func (c *Checkpoint) Unknown() []string { return slices.Clone(c.unknown) }

// Fingerprint returns "sha256:" and 64 hexadecimal digits over all that
// decides the model's results: used tensors by published name, shape and
// float32 value, vocabulary, labels and arguments. It does not depend on how the
// weights are stored, so a converted folder has the same. The first call reads
// all weights, later ones return the same string. When the first comes after
// Close, it is "".
func (c *Checkpoint) Fingerprint() string { return c.fingerprint() }

// Close unmaps the weights. Slices from [Tensor.Float32] must not be used any
// more: reading them would end the process. It may be called more than once.
func (c *Checkpoint) Close() error { return c.weights.close() }
