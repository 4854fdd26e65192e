package checkpoint_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
)

func TestConvert(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"tiny_scgpt", "tiny_scgpt_dsbn"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, parent := testdata+"models/"+name, t.TempDir()
			out := filepath.Join(parent, "out")
			require.NoError(t, checkpoint.Convert(dir, out))
			from, to := open(t, dir), open(t, out)
			require.Equal(t, "model.safetensors", to.Describe().Files.Weights)
			require.Equal(t, from.Fingerprint(), to.Fingerprint())
			require.Equal(t, from.Args(), to.Args())
			require.Equal(t, from.Labels(), to.Labels())
			require.Equal(t, from.Names(), to.Names())
			for _, tensor := range from.Names() {
				a, _ := from.Tensor(tensor)
				b, _ := to.Tensor(tensor)
				require.Equal(t, a.Shape, b.Shape)
				require.Equal(t, a.DType, b.DType)
				require.Equal(t, a.Float32(), b.Float32())
			}

			require.ErrorIs(t, checkpoint.Convert(dir, out), fs.ErrExist)
			left, err := os.ReadDir(parent)
			require.NoError(t, err)
			require.Len(t, left, 1, "no temporary folder stays")
		})
	}
}

// Tensors that the model does not use are kept: a conversion loses nothing.
func TestSaveKeepsUnknown(t *testing.T) {
	t.Parallel()
	f := newFolder()
	f.add("flag_encoder.weight", 2, width)
	f.classifier("cls_decoder", 2, 2)
	labels := filepath.Join(t.TempDir(), "types.csv")
	require.NoError(t, os.WriteFile(labels, []byte("B cell\nT cell\n"), 0o600))
	c, err := checkpoint.OpenWith(f.write(t), checkpoint.Options{Labels: labels})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	out := filepath.Join(t.TempDir(), "out")
	require.NoError(t, c.Save(out))
	saved := open(t, out)
	require.Equal(t, []string{"flag_encoder.weight"}, saved.Unknown())
	require.Equal(t, []string{"B cell", "T cell"}, saved.Labels())
}

func TestConvertFails(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, checkpoint.Convert(filepath.Join(t.TempDir(), "none"), filepath.Join(t.TempDir(), "out")), fs.ErrNotExist)

	dir := newFolder().write(t)
	require.ErrorIs(t, checkpoint.Convert(dir, filepath.Join(t.TempDir(), "no", "parent")), fs.ErrNotExist)

	c, err := checkpoint.Open(dir)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	parent := t.TempDir()
	require.ErrorContains(t, c.Save(filepath.Join(parent, "out")), "closed")
	left, err := os.ReadDir(parent)
	require.NoError(t, err)
	require.Empty(t, left)
}

// A folder that changed between opening and saving is not what was checked.
func TestSaveComparesFingerprints(t *testing.T) {
	t.Parallel()
	f := newFolder()
	dir := f.write(t)
	c := open(t, dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "args.json"), []byte(`{"nheads":4}`), 0o600))
	out := filepath.Join(t.TempDir(), "out")
	require.ErrorContains(t, c.Save(out), "differs from")
	_, err := os.Stat(out)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	c := open(t, testdata+"models/tiny_scgpt")
	d := c.Describe()
	require.Equal(t, checkpoint.Files{Args: "args.json", Vocab: "vocab.json", Weights: "best_model.pt", Labels: "id2type.json"}, d.Files)
	require.Equal(t, c.Fingerprint(), d.Fingerprint)
	require.Equal(t, c.Args(), d.Args)
	require.Equal(t, 3003, d.Vocab)
	require.Len(t, d.Labels, 10)
	require.Len(t, d.Tensors, len(c.Names()))
	require.Equal(t, d.Parameters, d.ParametersTotal)
	require.EqualValues(t, 4*d.Parameters, d.Bytes)
	require.Equal(t, checkpoint.TensorDescription{
		Name:   "transformer_encoder.layers.0.self_attn.Wqkv.weight",
		Stored: "transformer_encoder.layers.0.self_attn.in_proj_weight",
		DType:  "F32", Shape: []int{192, 64},
	}, find(t, d, "transformer_encoder.layers.0.self_attn.Wqkv.weight"))

	data, err := json.Marshal(d)
	require.NoError(t, err)
	var object map[string]any
	require.NoError(t, json.Unmarshal(data, &object))
	for _, key := range []string{"dir", "files", "fingerprint", "args", "heads", "vocab", "labels", "parameters", "parameters_total", "bytes", "tensors", "unknown"} {
		require.Contains(t, object, key)
	}
	require.EqualValues(t, 64, object["args"].(map[string]any)["embsize"])
}

func TestParametersOfDSBN(t *testing.T) {
	t.Parallel()
	d := open(t, testdata+"models/tiny_scgpt_dsbn").Describe()
	require.Equal(t, 2, d.ParametersTotal-d.Parameters, "the counters of two normalisations are no parameters")
	require.Equal(t, checkpoint.TensorDescription{Name: "dsbn.bns.0.num_batches_tracked", DType: "I64", Shape: []int{}}, find(t, d, "dsbn.bns.0.num_batches_tracked"))
}

func find(t *testing.T, d checkpoint.Description, name string) checkpoint.TensorDescription {
	t.Helper()
	for _, tensor := range d.Tensors {
		if tensor.Name == name {
			return tensor
		}
	}
	require.Fail(t, "no tensor "+name)
	return checkpoint.TensorDescription{}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	f := newFolder()
	f.classifier("cls_decoder", 2, 2)
	f.files["id2type.json"] = `{"0":"B","1":"T"}`
	dir := f.write(t)
	c := open(t, dir)
	require.Equal(t, []string{"B", "T"}, c.Labels())
	c.Labels()[0] = "changed"
	require.Equal(t, []string{"B", "T"}, c.Labels())

	_, err := checkpoint.OpenWith(dir, checkpoint.Options{Labels: filepath.Join(dir, "none.json")})
	require.ErrorIs(t, err, fs.ErrNotExist)

	// Labels beside a model without a classifier do no harm, but asking for
	// them is a mistake.
	f = newFolder()
	f.files["id2type.json"] = `["B","T"]`
	dir = f.write(t)
	require.Equal(t, []string{"B", "T"}, open(t, dir).Labels())
	_, err = checkpoint.OpenWith(dir, checkpoint.Options{Labels: filepath.Join(dir, "id2type.json")})
	require.ErrorContains(t, err, "has no classifier")
}
