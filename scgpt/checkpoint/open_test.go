package checkpoint_test

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/internal/torchtest"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
)

func TestInference(t *testing.T) {
	t.Parallel()
	base := checkpoint.Args{
		EmbSize: width, NHeads: 2, DHid: 6, NLayers: 2, NLayersCls: 3, NBins: 51,
		PadToken: "<pad>", PadValue: -2, MaskValue: -1, MaxSeqLen: 1200,
		InputEmbStyle: checkpoint.Continuous, CellEmbStyle: checkpoint.CLS, DecoderIn: width,
	}
	for name, tc := range map[string]struct {
		change func(*folder)
		args   func(*checkpoint.Args)
		heads  checkpoint.Heads
	}{
		"as published": {func(*folder) {}, func(*checkpoint.Args) {}, checkpoint.Heads{Decoder: true}},
		"sizes from the weights": {
			func(f *folder) { f.args = map[string]any{"nheads": 4} },
			func(a *checkpoint.Args) { a.NHeads = 4 },
			checkpoint.Heads{Decoder: true},
		},
		"no decoder": {
			func(f *folder) {
				for _, n := range []string{"0", "2", "4"} {
					delete(f.tensors, "decoder.fc."+n+".weight")
					delete(f.tensors, "decoder.fc."+n+".bias")
				}
			},
			func(a *checkpoint.Args) { a.DecoderIn = 0 },
			checkpoint.Heads{},
		},
		"category": {
			func(f *folder) {
				for _, n := range []string{"linear1", "linear2", "norm"} {
					delete(f.tensors, "value_encoder."+n+".weight")
					delete(f.tensors, "value_encoder."+n+".bias")
				}
				f.add("value_encoder.embedding.weight", 53, width)
				f.norm("value_encoder.enc_norm")
				f.args["pad_value"], f.args["mask_value"] = 51, 52
			},
			func(a *checkpoint.Args) {
				a.InputEmbStyle, a.InputBins, a.PadValue, a.MaskValue = checkpoint.Category, 53, 51, 52
			},
			checkpoint.Heads{Decoder: true},
		},
		"scaling": {
			func(f *folder) {
				for _, n := range []string{"linear1", "linear2", "norm"} {
					delete(f.tensors, "value_encoder."+n+".weight")
					delete(f.tensors, "value_encoder."+n+".bias")
				}
			},
			func(a *checkpoint.Args) { a.InputEmbStyle = checkpoint.Scaling },
			checkpoint.Heads{Decoder: true},
		},
		"batch normalisation": {
			func(f *folder) {
				f.norm("bn")
				f.add("bn.running_mean", width)
				f.add("bn.running_var", width)
				f.tensors["bn.num_batches_tracked"] = torchtest.Contiguous("", "LongStorage", nil, 1, make([]byte, 8))
			},
			func(a *checkpoint.Args) { a.BatchNorm = true },
			checkpoint.Heads{Decoder: true},
		},
		"domains": {
			func(f *folder) {
				for _, k := range []string{"0", "1", "2"} {
					f.add("dsbn.bns."+k+".running_mean", width)
					f.add("dsbn.bns."+k+".running_var", width)
				}
			},
			func(a *checkpoint.Args) { a.Domains = 3 },
			checkpoint.Heads{Decoder: true},
		},
		"batch labels": {
			func(f *folder) {
				f.add("batch_encoder.embedding.weight", 5, width)
				f.norm("batch_encoder.enc_norm")
				f.decoder("decoder.fc", 2*width)
				f.decoder("decoder.zero_logit", 2*width)
				f.linear("mvc_decoder.gene2query", width, width)
				f.add("mvc_decoder.W.weight", 2*width, width)
				f.linear("mvc_decoder.W_zero_logit", 2*width, width)
				f.classifier("grad_reverse_discriminator", 2, 5)
			},
			func(a *checkpoint.Args) { a.BatchLabels, a.DecoderIn, a.ExplicitZeroProb = 5, 2*width, true },
			checkpoint.Heads{Decoder: true, DecoderZero: true, MVC: true, MVCZero: true, DAB: true},
		},
		"a classifier of other depth": {
			func(f *folder) {
				f.classifier("cls_decoder", 0, 2)
				f.args["n_layers_cls"] = 3
			},
			func(a *checkpoint.Args) { a.NLayersCls, a.Classes = 1, 2 },
			checkpoint.Heads{Decoder: true, Cls: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolder()
			tc.change(f)
			c := open(t, f.write(t))
			want := base
			tc.args(&want)
			require.Equal(t, want, c.Args())
			require.Equal(t, tc.heads, c.Heads())
			require.Empty(t, c.Unknown())
		})
	}
}

func TestUnknownTensors(t *testing.T) {
	t.Parallel()
	f := newFolder()
	f.add("flag_encoder.weight", 2, width)
	f.add("mvc_decoder.fc1.weight", 64, 2*width)
	c := open(t, f.write(t))
	require.Equal(t, []string{"flag_encoder.weight", "mvc_decoder.fc1.weight"}, c.Unknown())
	require.Equal(t, checkpoint.Heads{Decoder: true}, c.Heads())
	require.Contains(t, c.Names(), "flag_encoder.weight")
	require.Equal(t, open(t, newFolder().write(t)).Fingerprint(), c.Fingerprint(), "what is not used does not count")
}

func TestAppendsSpecials(t *testing.T) {
	t.Parallel()
	f := newFolder()
	f.vocab = map[string]any{"D": 3, "C": 2, "B": 1, "A": 0}
	c := open(t, f.write(t))
	v := c.Vocab()
	require.Equal(t, 7, v.Len())
	require.EqualValues(t, 4, v.Pad())
	require.EqualValues(t, 5, v.CLS())
	require.Equal(t, "<eoc>", v.Token(6))
	require.Equal(t, []string{"<pad>", "<cls>", "<eoc>"}, v.Specials())
	require.Equal(t, open(t, newFolder().write(t)).Fingerprint(), c.Fingerprint())

	f.vocab["<cls>"] = 4
	v = open(t, f.write(t)).Vocab()
	require.EqualValues(t, 4, v.CLS())
	require.EqualValues(t, 5, v.Pad())
}

// One model, stored in the ways that it may come in.
func TestFingerprintIsOfTheModel(t *testing.T) {
	t.Parallel()
	want := open(t, newFolder().write(t)).Fingerprint()
	require.Regexp(t, "^sha256:[0-9a-f]{64}$", want)
	const table, bias = "encoder.embedding.weight", "decoder.fc.0.bias"
	for name, change := range map[string]func(*testing.T, *folder){
		"safetensors": func(t *testing.T, f *folder) {
			f.files["model.safetensors"] = string(f.safetensors(t))
			f.tensors = nil
		},
		"model.pt": func(t *testing.T, f *folder) {
			f.files["model.pt"] = string(f.stateDict(t))
			f.tensors = nil
		},
		"PyTorch's attention": func(_ *testing.T, f *folder) {
			f.rename("self_attn.Wqkv.weight", "self_attn.in_proj_weight")
			f.rename("self_attn.Wqkv.bias", "self_attn.in_proj_bias")
		},
		"flash wrapper":      func(_ *testing.T, f *folder) { f.rename("self_attn.", "self_attn._impl.") },
		"data parallel":      func(_ *testing.T, f *folder) { f.prefix("module.") },
		"compiled":           func(_ *testing.T, f *folder) { f.prefix("_orig_mod.") },
		"parallel, compiled": func(_ *testing.T, f *folder) { f.prefix("module._orig_mod.") },
		"float64": func(_ *testing.T, f *folder) {
			f.convert(table, "DoubleStorage", func(v float32) []byte {
				return binary.LittleEndian.AppendUint64(nil, math.Float64bits(float64(v)))
			})
		},
		"bfloat16": func(_ *testing.T, f *folder) {
			f.convert(table, "BFloat16Storage", func(v float32) []byte {
				return binary.LittleEndian.AppendUint16(nil, uint16(math.Float32bits(v)>>16))
			})
		},
		"float16": func(_ *testing.T, f *folder) {
			f.convert(bias, "HalfStorage", func(v float32) []byte {
				if v == 0 {
					return []byte{0, 0}
				}
				b := math.Float32bits(v)
				return binary.LittleEndian.AppendUint16(nil, uint16(b>>16&0x8000|(b>>23&0xff-112)<<10|b>>13&0x3ff))
			})
		},
		"int64": func(_ *testing.T, f *folder) {
			f.convert(bias, "LongStorage", func(v float32) []byte {
				return binary.LittleEndian.AppendUint64(nil, uint64(int64(v)))
			})
		},
		"transposed storage": func(_ *testing.T, f *folder) {
			was := f.tensors[table]
			rows, columns := was.Shape[0], was.Shape[1]
			data := make([]byte, len(was.Data))
			for i := range rows {
				for j := range columns {
					copy(data[4*(j*rows+i):], was.Data[4*(i*columns+j):][:4])
				}
			}
			was.Data, was.Stride = data, []int{1, rows}
			f.tensors[table] = was
		},
		"shared storage": func(_ *testing.T, f *folder) {
			a, b := f.tensors["encoder.enc_norm.weight"], f.tensors["encoder.enc_norm.bias"]
			b.Data, b.Key, b.Elements, b.Offset = append(slices.Clone(a.Data), b.Data...), "shared", 2*width, width
			a.Data, a.Key, a.Elements = nil, "shared", 2*width
			f.tensors["encoder.enc_norm.weight"], f.tensors["encoder.enc_norm.bias"] = a, b
		},
		"arguments of training": func(_ *testing.T, f *folder) { f.args["lr"], f.args["epochs"] = 0.001, 30 },
		"spelled-out defaults":  func(_ *testing.T, f *folder) { f.args["n_bins"], f.args["pad_value"] = 51, -2.0 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolder()
			change(t, f)
			c := open(t, f.write(t))
			require.Equal(t, want, c.Fingerprint())
			require.Contains(t, c.Names(), "transformer_encoder.layers.0.self_attn.Wqkv.weight")
		})
	}
}

func TestFingerprintTellsModelsApart(t *testing.T) {
	t.Parallel()
	with := func(f *folder) *folder {
		f.classifier("cls_decoder", 2, 2)
		return f
	}
	seen := map[string]string{open(t, with(newFolder()).write(t)).Fingerprint(): "unchanged"}
	for name, change := range map[string]func(*folder){
		"a weight": func(f *folder) {
			data := slices.Clone(f.tensors["decoder.fc.4.bias"].Data)
			data[0] ^= 1
			tensor := f.tensors["decoder.fc.4.bias"]
			tensor.Data = data
			f.tensors["decoder.fc.4.bias"] = tensor
		},
		"heads":       func(f *folder) { f.args["nheads"] = 4 },
		"pooling":     func(f *folder) { f.args["cell_emb_style"] = "avg-pool" },
		"a gene":      func(f *folder) { delete(f.vocab, "D"); f.vocab["E"] = 3 },
		"gene order":  func(f *folder) { f.vocab["C"], f.vocab["D"] = 3, 2 },
		"labels":      func(f *folder) { f.files["id2type.json"] = `["x","y"]` },
		"label order": func(f *folder) { f.files["id2type.json"] = `["y","x"]` },
	} {
		f := with(newFolder())
		change(f)
		got := open(t, f.write(t)).Fingerprint()
		require.Empty(t, seen[got], "%s changes nothing", name)
		seen[got] = name
	}
}

func TestPreference(t *testing.T) {
	t.Parallel()
	f := newFolder()
	f.files["model.safetensors"] = string(f.safetensors(t))
	f.files["model.pt"] = "broken"
	dir := f.write(t)
	require.Equal(t, "model.safetensors", open(t, dir).Describe().Files.Weights)
	require.NoError(t, os.Remove(filepath.Join(dir, "model.safetensors")))
	require.Equal(t, "best_model.pt", open(t, dir).Describe().Files.Weights)
	require.NoError(t, os.Remove(filepath.Join(dir, "best_model.pt")))
	_, err := checkpoint.Open(dir)
	require.ErrorContains(t, err, "model.pt: not a whole zip archive")
	require.NoError(t, os.Remove(filepath.Join(dir, "model.pt")))
	_, err = checkpoint.Open(dir)
	require.ErrorContains(t, err, "none of model.safetensors, best_model.pt, model.pt is there")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestWeightsElsewhere(t *testing.T) {
	t.Parallel()
	f := newFolder()
	weights := filepath.Join(t.TempDir(), "epoch7.pt")
	require.NoError(t, os.WriteFile(weights, f.stateDict(t), 0o600))
	f.tensors = nil
	c, err := checkpoint.OpenWith(f.write(t), checkpoint.Options{Weights: weights})
	require.NoError(t, err)
	require.Equal(t, weights, c.Describe().Files.Weights)
	require.NoError(t, c.Close())
}

func TestRefusesModels(t *testing.T) {
	t.Parallel()
	drop := func(names ...string) func(*folder) {
		return func(f *folder) {
			for _, name := range names {
				delete(f.tensors, name)
			}
		}
	}
	reshape := func(name string, shape ...int) func(*folder) {
		return func(f *folder) { f.add(name, shape...) }
	}
	arg := func(name string, value any) func(*folder) {
		return func(f *folder) { f.args[name] = value }
	}
	file := func(name, content string) func(*folder) {
		return func(f *folder) { f.files[name] = content }
	}
	const layer = "transformer_encoder.layers.1."
	for name, tc := range map[string]struct {
		change func(*folder)
		want   string
	}{
		"embedding missing":   {drop("encoder.embedding.weight"), `best_model.pt: tensor "encoder.embedding.weight" is missing`},
		"embedding flat":      {reshape("encoder.embedding.weight", 56), "has shape [56], 2 dimensions would be right"},
		"embedding width":     {reshape("encoder.embedding.weight", 7, 10), "has shape [7 10], but args.json says embsize = 8"},
		"vocabulary size":     {reshape("encoder.embedding.weight", 9, width), "has 9 rows, but vocab.json has 7 tokens"},
		"norm missing":        {drop("encoder.enc_norm.bias"), `"encoder.enc_norm.bias" is missing, it should have shape [8]`},
		"value norm":          {drop("value_encoder.norm.weight"), `"value_encoder.norm.weight" is missing`},
		"value encoder":       {reshape("value_encoder.linear1.weight", width), `"value_encoder.linear1.weight" has shape [8], [8 1] would be right`},
		"unclear style":       {drop("value_encoder.linear1.weight"), "neither of style continuous"},
		"other style":         {arg("input_emb_style", "category"), `input_emb_style = "category", but the weights are of style "continuous"`},
		"attention missing":   {drop(layer + "self_attn.Wqkv.weight"), `"` + layer + `self_attn.Wqkv.weight" is missing, it should have shape [24 8]`},
		"attention bias":      {drop(layer + "self_attn.Wqkv.bias"), `self_attn.Wqkv.bias" is missing`},
		"attention shape":     {reshape(layer+"self_attn.Wqkv.weight", 16, width), "has shape [16 8], [24 8] would be right"},
		"out_proj missing":    {drop(layer + "self_attn.out_proj.weight"), `out_proj.weight" is missing`},
		"FFN missing":         {drop(layer + "linear2.bias"), `linear2.bias" is missing`},
		"FFN shape":           {reshape(layer+"linear1.weight", 7, width), `linear1.weight" has shape [7 8], [6 8] would be right`},
		"norm2 missing":       {drop(layer + "norm2.weight"), `norm2.weight" is missing`},
		"layer count":         {arg("nlayers", 3), "layers 0 to 1, but args.json says nlayers = 3"},
		"no layers":           {func(f *folder) { f.rename("transformer_encoder", "else") }, "there are no transformer layers"},
		"a hole in layers":    {func(f *folder) { f.rename("layers.1.", "layers.2."); f.args["nlayers"] = 3 }, `"transformer_encoder.layers.1.self_attn.Wqkv.weight" is missing`},
		"layer no number":     {reshape("transformer_encoder.layers.x.weight", 1), "no number behind"},
		"layer number absurd": {reshape("transformer_encoder.layers.2000000000.weight", 1), "number 2000000000 is above 1023"},
		"two names": {func(f *folder) {
			f.add("transformer_encoder.layers.0.self_attn.in_proj_weight", 3*width, width)
		}, `"transformer_encoder.layers.0.self_attn.Wqkv.weight" and "transformer_encoder.layers.0.self_attn.in_proj_weight" are the same tensor`},
		"d_hid":             {arg("d_hid", 7), `"transformer_encoder.layers.0.linear1.weight" has shape [6 8], [7 8] would be right`},
		"decoder half":      {drop("decoder.fc.4.bias"), `"decoder.fc.4.bias" is missing`},
		"decoder width":     {func(f *folder) { f.decoder("decoder.fc", 2*width) }, `"decoder.fc.0.weight" has shape [8 16], [8 8] would be right`},
		"zero decoder half": {reshape("decoder.zero_logit.0.weight", width, width), `"decoder.zero_logit.0.bias" is missing`},
		"MVC half":          {reshape("mvc_decoder.W.weight", width, width), `"mvc_decoder.gene2query.weight" is missing`},
		"MVC zero half": {func(f *folder) {
			f.linear("mvc_decoder.gene2query", width, width)
			f.add("mvc_decoder.W.weight", width, width)
			f.add("mvc_decoder.W_zero_logit.weight", width, width)
		}, `"mvc_decoder.W_zero_logit.bias" is missing`},
		"classifier half":  {func(f *folder) { f.classifier("cls_decoder", 2, 3); delete(f.tensors, "cls_decoder._decoder.5.bias") }, `"cls_decoder._decoder.5.bias" is missing`},
		"classifier empty": {reshape("cls_decoder.out_layer.weight", 0, width), "none of them 0"},
		"classifier alone": {reshape("cls_decoder._decoder.0.weight", width, width), `"cls_decoder._decoder.0.bias" is missing`},
		"discriminator":    {reshape("grad_reverse_discriminator.out_layer.weight", 2, width), `"grad_reverse_discriminator.out_layer.bias" is missing`},
		"domain half":      {reshape("dsbn.bns.0.running_mean", width), `"dsbn.bns.0.running_var" is missing`},
		"domain missing": {func(f *folder) {
			f.add("dsbn.bns.1.running_mean", width)
			f.add("dsbn.bns.1.running_var", width)
		}, `"dsbn.bns.0.running_mean" is missing`},
		"domain with scale": {func(f *folder) { f.norm("dsbn.bns.0") }, "no scale and shift"},
		"two norms": {func(f *folder) {
			f.norm("bn")
			f.add("dsbn.bns.0.running_mean", width)
			f.add("dsbn.bns.0.running_var", width)
		}, "both bn.* and dsbn.*"},
		"bn half":            {func(f *folder) { f.norm("bn") }, `"bn.running_mean" is missing`},
		"batch encoder half": {reshape("batch_encoder.embedding.weight", 2, width), `"batch_encoder.enc_norm.weight" is missing`},
		"bytes as weights": {func(f *folder) {
			f.tensors["encoder.enc_norm.bias"] = torchtest.Contiguous("", "ByteStorage", []int{width}, width, make([]byte, width))
		}, `"encoder.enc_norm.bias" holds elements of type U8`},
		"heads do not divide":             {arg("nheads", 3), "embsize = 8 is no multiple of nheads = 3"},
		"heads do not divide the weights": {func(f *folder) { f.args = map[string]any{"nheads": 3} }, "nheads = 3 does not divide the width 8"},
		"heads missing":                   {func(f *folder) { delete(f.args, "nheads") }, "args.json: nheads is missing"},
		"args no JSON":                    {file("args.json", "{"), "args.json: unexpected end"},
		"args a list":                     {file("args.json", "[]"), "args.json: json"},
		"labels too few":                  {func(f *folder) { f.classifier("cls_decoder", 2, 3); f.files["id2type.json"] = `["a","b"]` }, "2 labels, but the classifier of"},
		"global":                          {file("best_model.pt", evil(t)), `best_model.pt: data.pkl, byte 2: refers to "os.system"`},
		"model.safetensors":               {file("model.safetensors", "{}"), "model.safetensors: 2 bytes are too few"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolder()
			tc.change(f)
			_, err := checkpoint.Open(f.write(t))
			require.ErrorContains(t, err, tc.want)
			var invalid *checkpoint.Error
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, "InvalidDataError", invalid.ErrorType())
		})
	}
}

func evil(t *testing.T) string {
	t.Helper()
	var b stringWriter
	program := torchtest.NewProgram().Global("os", "system").String("true").Op(0x85, 'R').Stop()
	require.NoError(t, torchtest.Archive(&b, []torchtest.Entry{{Name: "m/data.pkl", Data: program}}))
	return string(b)
}

type stringWriter []byte

func (s *stringWriter) Write(p []byte) (int, error) {
	*s = append(*s, p...)
	return len(p), nil
}

func TestMissing(t *testing.T) {
	t.Parallel()
	_, err := checkpoint.Open(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	for _, name := range []string{"args.json", "vocab.json", "best_model.pt"} {
		dir := newFolder().write(t)
		require.NoError(t, os.Remove(filepath.Join(dir, name)))
		_, err := checkpoint.Open(dir)
		require.ErrorIs(t, err, fs.ErrNotExist, name)
		require.ErrorContains(t, err, name)
	}
	dir := newFolder().write(t)
	_, err = checkpoint.Open(filepath.Dir(dir))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, fmt.Sprintf("%q] may be models", filepath.Base(dir)))
	_, err = checkpoint.OpenWith(dir, checkpoint.Options{Weights: filepath.Join(dir, "none.pt")})
	require.ErrorIs(t, err, fs.ErrNotExist)

	_, err = checkpoint.Open(filepath.Join(dir, "args.json"))
	require.ErrorContains(t, err, "not a folder")
	require.NoError(t, os.Remove(filepath.Join(dir, "args.json")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "args.json"), 0o700))
	_, err = checkpoint.Open(dir)
	require.ErrorContains(t, err, "args.json: not a regular file")
}

func TestAfterClose(t *testing.T) {
	t.Parallel()
	c, err := checkpoint.Open(newFolder().write(t))
	require.NoError(t, err)
	w, ok := c.Tensor("encoder.enc_norm.weight")
	require.True(t, ok)
	require.Len(t, w.Float32(), width)
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	require.Nil(t, w.Float32())
	require.Empty(t, c.Fingerprint())

	none, ok := c.Tensor("nothing")
	require.False(t, ok)
	require.Nil(t, none.Float32())
	require.Nil(t, checkpoint.Tensor{}.Float32())
}

func TestDTypeIsKept(t *testing.T) {
	t.Parallel()
	f := newFolder()
	f.convert("encoder.enc_norm.bias", "BFloat16Storage", func(v float32) []byte {
		return binary.LittleEndian.AppendUint16(nil, uint16(math.Float32bits(v)>>16))
	})
	w, ok := open(t, f.write(t)).Tensor("encoder.enc_norm.bias")
	require.True(t, ok)
	require.Equal(t, safetensors.BF16, w.DType)
	require.Equal(t, []float32{2, 3, 4, 5, 6, -6, -5, -4}, w.Float32())
}
