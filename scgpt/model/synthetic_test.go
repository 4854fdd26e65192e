package model

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

// synthetic describes a checkpoint with random weights.
type synthetic struct {
	vocab, d, heads, hidden, layers int
	style                           string // input_emb_style
	valueRows                       int    // style category
	batchNorm                       bool
	domains, labels                 int
	classes                         int
	decoders, zero                  bool
}

// fullSize has the shape of the whole-human model but for its vocabulary,
// which does not matter to speed.
var fullSize = synthetic{vocab: 3000, d: 512, heads: 8, hidden: 512, layers: 12, style: checkpoint.Continuous}

// open writes the checkpoint to a folder of the test's and opens it.
func (s synthetic) open(t testing.TB) *checkpoint.Checkpoint {
	t.Helper()
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "model.safetensors"))
	require.NoError(t, err)
	require.NoError(t, safetensors.Write(file, s.tensors(), nil))
	require.NoError(t, file.Close())

	vocab := make(map[string]int)
	for i := range s.vocab - 3 {
		vocab[fmt.Sprintf("GENE%d", i)] = i
	}
	vocab["<pad>"], vocab["<cls>"], vocab["<eoc>"] = s.vocab-3, s.vocab-2, s.vocab-1
	args := map[string]any{
		"embsize": s.d, "nheads": s.heads, "d_hid": s.hidden, "nlayers": s.layers,
		"input_emb_style": s.style, "n_bins": 51,
	}
	for name, content := range map[string]any{"vocab.json": vocab, "args.json": args} {
		data, err := json.Marshal(content)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	ck, err := checkpoint.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ck.Close()) })
	return ck
}

func (s synthetic) tensors() []safetensors.Tensor {
	rng := rand.New(rand.NewPCG(1, uint64(s.d)))
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
		add(name+".weight", 1, 0.1, s.d)
		add(name+".bias", 0, 0.1, s.d)
	}
	mlp := func(name string, classes int) {
		for i := range 2 {
			linear(fmt.Sprintf("%s._decoder.%d", name, 3*i), s.d, s.d)
			norm(fmt.Sprintf("%s._decoder.%d", name, 3*i+2))
		}
		linear(name+".out_layer", classes, s.d)
	}
	statistics := func(name string) {
		add(name+".running_mean", 0, 1, s.d)
		add(name+".running_var", 2, 0.5, s.d)
	}

	add("encoder.embedding.weight", 0, 0.5, s.vocab, s.d)
	norm("encoder.enc_norm")
	switch s.style {
	case checkpoint.Continuous:
		linear("value_encoder.linear1", s.d, 1)
		linear("value_encoder.linear2", s.d, s.d)
		norm("value_encoder.norm")
	case checkpoint.Category:
		add("value_encoder.embedding.weight", 0, 1, s.valueRows, s.d)
		norm("value_encoder.enc_norm")
	}
	if s.batchNorm {
		norm("bn")
		statistics("bn")
	}
	for k := range s.domains {
		statistics(fmt.Sprintf("dsbn.bns.%d", k))
	}
	for i := range s.layers {
		name := fmt.Sprintf("transformer_encoder.layers.%d.", i)
		linear(name+"self_attn.Wqkv", 3*s.d, s.d)
		linear(name+"self_attn.out_proj", s.d, s.d)
		linear(name+"linear1", s.hidden, s.d)
		linear(name+"linear2", s.d, s.hidden)
		norm(name + "norm1")
		norm(name + "norm2")
	}
	width := s.d
	if s.labels > 0 {
		width = 2 * s.d
		add("batch_encoder.embedding.weight", 0, 1, s.labels, s.d)
		norm("batch_encoder.enc_norm")
	}
	if s.classes > 0 {
		mlp("cls_decoder", s.classes)
	}
	if s.decoders {
		names := []string{"decoder.fc"}
		if s.zero {
			names = append(names, "decoder.zero_logit")
		}
		for _, name := range names {
			linear(name+".0", s.d, width)
			linear(name+".2", s.d, s.d)
			linear(name+".4", 1, s.d)
		}
		linear("mvc_decoder.gene2query", s.d, s.d)
		add("mvc_decoder.W.weight", 0, 1/math.Sqrt(float64(s.d)), width, s.d)
		if s.zero {
			linear("mvc_decoder.W_zero_logit", width, s.d)
		}
	}
	return list
}

// randomCells packs cells of some lengths, each with <cls> first, with random
// genes and bins.
func randomCells(seed uint64, vocab int, lengths ...int) tokens.Packed {
	rng := rand.New(rand.NewPCG(seed, 7))
	b := tokens.Packed{Offsets: []int32{0}}
	for _, n := range lengths {
		for i := range n {
			id, value := int32(vocab-2), float32(0)
			if i > 0 {
				id, value = rng.Int32N(int32(vocab-3)), float32(1+rng.IntN(50))
			}
			b.IDs, b.Values = append(b.IDs, id), append(b.Values, value)
		}
		b.Offsets = append(b.Offsets, int32(len(b.IDs)))
	}
	return b
}
