package checkpoint_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/internal/torchtest"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
)

// folder is a model folder in the making.
type folder struct {
	args    map[string]any
	vocab   map[string]any
	tensors map[string]torchtest.Tensor
	// files are written as they are, over what is made of the rest.
	files map[string]string
}

// The published shape of a model at d = 8, and as many heads as a test wants.
const (
	width = 8
	genes = 4
)

// newFolder is a model of two layers with a decoder and no other head.
func newFolder() *folder {
	f := &folder{
		args:    map[string]any{"embsize": width, "nheads": 2, "nlayers": 2, "d_hid": 6, "pad_token": "<pad>"},
		vocab:   map[string]any{"A": 0, "B": 1, "C": 2, "D": 3, "<pad>": 4, "<cls>": 5, "<eoc>": 6},
		tensors: map[string]torchtest.Tensor{},
		files:   map[string]string{},
	}
	f.add("encoder.embedding.weight", genes+3, width)
	f.norm("encoder.enc_norm")
	f.linear("value_encoder.linear1", width, 1)
	f.linear("value_encoder.linear2", width, width)
	f.norm("value_encoder.norm")
	for i := range 2 {
		p := fmt.Sprintf("transformer_encoder.layers.%d.", i)
		f.linear(p+"self_attn.Wqkv", 3*width, width)
		f.linear(p+"self_attn.out_proj", width, width)
		f.linear(p+"linear1", 6, width)
		f.linear(p+"linear2", width, 6)
		f.norm(p + "norm1")
		f.norm(p + "norm2")
	}
	f.decoder("decoder.fc", width)
	return f
}

// add puts a tensor there whose values, small whole numbers, depend on its name
// and are exact in every type.
func (f *folder) add(name string, shape ...int) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = float32((i+len(name))%13) - 6
	}
	f.tensors[name] = torchtest.Float32(name, shape, values)
}

func (f *folder) linear(name string, out, in int) {
	f.add(name+".weight", out, in)
	f.add(name+".bias", out)
}

func (f *folder) norm(name string) {
	f.add(name+".weight", width)
	f.add(name+".bias", width)
}

func (f *folder) decoder(name string, in int) {
	f.linear(name+".0", width, in)
	f.linear(name+".2", width, width)
	f.linear(name+".4", 1, width)
}

func (f *folder) classifier(name string, hidden, classes int) {
	for i := range hidden {
		f.linear(fmt.Sprintf("%s._decoder.%d", name, 3*i), width, width)
		f.norm(fmt.Sprintf("%s._decoder.%d", name, 3*i+2))
	}
	f.linear(name+".out_layer", classes, width)
}

// rename replaces part of every name.
func (f *folder) rename(from, to string) {
	for name, t := range maps.Clone(f.tensors) {
		delete(f.tensors, name)
		f.tensors[strings.ReplaceAll(name, from, to)] = t
	}
}

// prefix puts something before every name.
func (f *folder) prefix(p string) {
	for name, t := range maps.Clone(f.tensors) {
		delete(f.tensors, name)
		f.tensors[p+name] = t
	}
}

// stateDict is best_model.pt.
func (f *folder) stateDict(t *testing.T) []byte {
	t.Helper()
	var tensors []torchtest.Tensor
	for _, name := range slices.Sorted(maps.Keys(f.tensors)) {
		tensor := f.tensors[name]
		tensor.Name = name
		tensors = append(tensors, tensor)
	}
	var b bytes.Buffer
	require.NoError(t, torchtest.StateDict(&b, tensors))
	return b.Bytes()
}

// safetensors is model.safetensors. It takes float32 tensors only.
func (f *folder) safetensors(t *testing.T) []byte {
	t.Helper()
	var tensors []safetensors.Tensor
	for name, tensor := range f.tensors {
		require.Equal(t, "FloatStorage", tensor.Class)
		tensors = append(tensors, safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: tensor.Shape, Data: tensor.Data})
	}
	var b bytes.Buffer
	require.NoError(t, safetensors.Write(&b, tensors, nil))
	return b.Bytes()
}

// write writes the folder with best_model.pt, unless files say otherwise.
func (f *folder) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	encode := func(v any) string {
		data, err := json.Marshal(v)
		require.NoError(t, err)
		return string(data)
	}
	files := map[string]string{"args.json": encode(f.args), "vocab.json": encode(f.vocab)}
	if len(f.tensors) > 0 {
		files["best_model.pt"] = string(f.stateDict(t))
	}
	maps.Copy(files, f.files)
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

// convert replaces a tensor's storage by one of another class.
func (f *folder) convert(name, class string, element func(float32) []byte) {
	t := f.tensors[name]
	var data []byte
	for i := range t.Elements {
		data = append(data, element(math.Float32frombits(uint32(t.Data[4*i])|uint32(t.Data[4*i+1])<<8|uint32(t.Data[4*i+2])<<16|uint32(t.Data[4*i+3])<<24))...)
	}
	f.tensors[name] = torchtest.Contiguous(name, class, t.Shape, t.Elements, data)
}
