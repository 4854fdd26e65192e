package checkpoint_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
)

const testdata = "../../testdata/"

func open(t *testing.T, dir string) *checkpoint.Checkpoint {
	t.Helper()
	c, err := checkpoint.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestOpenTiny(t *testing.T) {
	t.Parallel()
	c := open(t, testdata+"models/tiny_scgpt")
	require.Equal(t, checkpoint.Args{
		EmbSize: 64, NHeads: 4, DHid: 64, NLayers: 4, NLayersCls: 3, NBins: 51,
		PadToken: "<pad>", PadValue: -2, MaskValue: -1, MaxSeqLen: 1200,
		InputEmbStyle: checkpoint.Continuous, CellEmbStyle: checkpoint.CLS,
		DecoderIn: 64, Classes: 10,
	}, c.Args())
	require.Equal(t, checkpoint.Heads{Decoder: true, Cls: true, MVC: true}, c.Heads())
	require.Empty(t, c.Unknown())
	require.Len(t, c.Labels(), 10)
	require.Equal(t, "CD14+ Monocyte", c.Labels()[0])
	require.Equal(t, "Dendritic", c.Labels()[9])

	v := c.Vocab()
	require.Equal(t, 3003, v.Len())
	require.EqualValues(t, 3000, v.Pad())
	require.EqualValues(t, 3001, v.CLS())
	id, ok := v.ID("AAMP")
	require.True(t, ok)
	require.EqualValues(t, 1, id)
	require.Equal(t, "AAMP", v.Token(1))
	require.Empty(t, v.Token(3003))

	w, ok := c.Tensor("transformer_encoder.layers.3.self_attn.Wqkv.weight")
	require.True(t, ok)
	require.Equal(t, []int{192, 64}, w.Shape)
	require.Len(t, w.Float32(), 192*64)
}

func TestRowsEqualGoldens(t *testing.T) {
	t.Parallel()
	c := open(t, testdata+"models/tiny_scgpt")
	goldens, err := safetensors.Open(testdata + "goldens/gene_embeddings.safetensors")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, goldens.Close()) })
	raw, ok := goldens.Tensor("ids")
	require.True(t, ok)
	ids, err := raw.Int32()
	require.NoError(t, err)
	raw, ok = goldens.Tensor("raw_rows")
	require.True(t, ok)
	want, err := raw.Float32()
	require.NoError(t, err)

	table, ok := c.Tensor("encoder.embedding.weight")
	require.True(t, ok)
	got := table.Float32()
	require.Len(t, ids, 21)
	for i, id := range ids {
		require.Equal(t, want[i*64:(i+1)*64], got[id*64:(id+1)*64], "row %d", id)
	}
}

func TestOpenDSBN(t *testing.T) {
	t.Parallel()
	c := open(t, testdata+"models/tiny_scgpt_dsbn")
	a := c.Args()
	require.Equal(t, 2, a.Domains)
	require.Equal(t, 2, a.BatchLabels)
	require.Equal(t, 128, a.DecoderIn)
	require.Equal(t, 1, a.Classes)
	require.True(t, a.ExplicitZeroProb)
	require.Equal(t, checkpoint.Heads{Decoder: true, DecoderZero: true, Cls: true, MVC: true, MVCZero: true, DAB: true}, c.Heads())
	require.Empty(t, c.Unknown())
	require.Nil(t, c.Labels())
	require.NotEqual(t, open(t, testdata+"models/tiny_scgpt").Fingerprint(), c.Fingerprint())
}
