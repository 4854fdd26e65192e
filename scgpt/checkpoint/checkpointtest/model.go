// Package checkpointtest makes checkpoints with random weights, for tests and
// measurements.
package checkpointtest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
)

// Model describes a checkpoint with random weights: the same numbers for the
// same description.
type Model struct {
	// Vocab counts the tokens: Genes, then GENE0, GENE1, … and the three
	// special ones, <pad>, <cls> and <eoc>, with the last ids.
	Vocab int
	Genes []string
	// Width is the size of embeddings, Hidden that of the feed-forward.
	Width, Heads, Hidden, Layers int
	// Style is input_emb_style; ValueRows counts the values of the style
	// category.
	Style     string
	ValueRows int
	// BatchNorm, Domains, Labels and Classes ask for what their names say;
	// Decoders for the decoders of expression, Zero for those of being
	// expressed too.
	BatchNorm                bool
	Domains, Labels, Classes int
	Decoders, Zero           bool
}

// FullSize returns the shape of the published models but for the vocabulary.
func FullSize(vocab int) Model {
	return Model{Vocab: vocab, Width: 512, Heads: 8, Hidden: 512, Layers: 12, Style: checkpoint.Continuous}
}

// Write writes the checkpoint into a folder.
func (s Model) Write(dir string) (err error) {
	file, err := os.Create(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := safetensors.Write(file, s.tensors(), nil); err != nil {
		return err
	}
	vocab := make(map[string]int)
	for i, gene := range s.Genes {
		vocab[gene] = i
	}
	for i := range s.Vocab - 3 - len(s.Genes) {
		vocab[fmt.Sprintf("GENE%d", i)] = len(s.Genes) + i
	}
	vocab["<pad>"], vocab["<cls>"], vocab["<eoc>"] = s.Vocab-3, s.Vocab-2, s.Vocab-1
	args := map[string]any{
		"embsize": s.Width, "nheads": s.Heads, "d_hid": s.Hidden, "nlayers": s.Layers,
		"input_emb_style": s.Style, "n_bins": 51,
	}
	files := map[string]any{"vocab.json": vocab, "args.json": args}
	if s.Classes > 0 {
		names := map[string]string{}
		for i := range s.Classes {
			names[fmt.Sprint(i)] = fmt.Sprintf("type %d", i)
		}
		files["id2type.json"] = names
	}
	for name, content := range files {
		data, err := json.Marshal(content)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (s Model) tensors() []safetensors.Tensor {
	rng := rand.New(rand.NewPCG(1, uint64(s.Width)))
	var list []safetensors.Tensor
	add := func(name string, mean, scale float64, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		data := make([]byte, 4*n)
		for i := range n {
			// Uniform of that standard deviation: cheaper than normal.
			v := mean + scale*math.Sqrt(12)*(rng.Float64()-0.5)
			binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(float32(v)))
		}
		list = append(list, safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape, Data: data})
	}
	linear := func(name string, out, in int) {
		add(name+".weight", 0, 1/math.Sqrt(float64(in)), out, in)
		add(name+".bias", 0, 0.1, out)
	}
	norm := func(name string) {
		add(name+".weight", 1, 0.1, s.Width)
		add(name+".bias", 0, 0.1, s.Width)
	}
	mlp := func(name string, classes int) {
		for i := range 2 {
			linear(fmt.Sprintf("%s._decoder.%d", name, 3*i), s.Width, s.Width)
			norm(fmt.Sprintf("%s._decoder.%d", name, 3*i+2))
		}
		linear(name+".out_layer", classes, s.Width)
	}
	statistics := func(name string) {
		add(name+".running_mean", 0, 1, s.Width)
		add(name+".running_var", 2, 0.5, s.Width)
	}

	add("encoder.embedding.weight", 0, 0.5, s.Vocab, s.Width)
	norm("encoder.enc_norm")
	switch s.Style {
	case checkpoint.Continuous:
		linear("value_encoder.linear1", s.Width, 1)
		linear("value_encoder.linear2", s.Width, s.Width)
		norm("value_encoder.norm")
	case checkpoint.Category:
		add("value_encoder.embedding.weight", 0, 1, s.ValueRows, s.Width)
		norm("value_encoder.enc_norm")
	}
	if s.BatchNorm {
		norm("bn")
		statistics("bn")
	}
	for k := range s.Domains {
		statistics(fmt.Sprintf("dsbn.bns.%d", k))
	}
	for i := range s.Layers {
		name := fmt.Sprintf("transformer_encoder.layers.%d.", i)
		linear(name+"self_attn.Wqkv", 3*s.Width, s.Width)
		linear(name+"self_attn.out_proj", s.Width, s.Width)
		linear(name+"linear1", s.Hidden, s.Width)
		linear(name+"linear2", s.Width, s.Hidden)
		norm(name + "norm1")
		norm(name + "norm2")
	}
	width := s.Width
	if s.Labels > 0 {
		width = 2 * s.Width
		add("batch_encoder.embedding.weight", 0, 1, s.Labels, s.Width)
		norm("batch_encoder.enc_norm")
	}
	if s.Classes > 0 {
		mlp("cls_decoder", s.Classes)
	}
	if s.Decoders {
		names := []string{"decoder.fc"}
		if s.Zero {
			names = append(names, "decoder.zero_logit")
		}
		for _, name := range names {
			linear(name+".0", s.Width, width)
			linear(name+".2", s.Width, s.Width)
			linear(name+".4", 1, s.Width)
		}
		linear("mvc_decoder.gene2query", s.Width, s.Width)
		add("mvc_decoder.W.weight", 0, 1/math.Sqrt(float64(s.Width)), width, s.Width)
		if s.Zero {
			linear("mvc_decoder.W_zero_logit", width, s.Width)
		}
	}
	return list
}
