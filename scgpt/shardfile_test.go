package scgpt

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/engine"
)

func sampleShard() (shardKey, *engine.Embeddings) {
	key := shardKey{From: 10, To: 13, Input: "i", Fingerprint: "f", DeviceClass: "cpu/x/fp32", Options: engine.Options{Task: engine.Annotate, Ties: "left"}, Version: Version}
	return key, &engine.Embeddings{
		From: 10, To: 13, Dim: 2, Classes: 3, Tokens: 77, Truncated: 1, Empty: []int{11},
		Vectors: []float32{1, 2, 3, 4, 5, 6}, Logits: []float32{1, 0, -1, 2, 0, -2, 3, 0, -3},
	}
}

func TestShardFile(t *testing.T) {
	key, want := sampleShard()
	path := filepath.Join(t.TempDir(), "000000.shard")
	require.NoError(t, writeShard(path, key, want))
	got, class, err := readShard(path, key, false)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, key.DeviceClass, class)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing but the file is left")

	// Another class will do for reading a result together, not for taking a
	// shard over.
	other := key
	other.DeviceClass = "cuda/sm90/bf16"
	_, _, err = readShard(path, other, false)
	require.ErrorIs(t, err, errShardMismatch)
	_, class, err = readShard(path, other, true)
	require.NoError(t, err)
	require.Equal(t, key.DeviceClass, class)

	_, _, err = readShard(filepath.Dir(path), key, false)
	require.ErrorContains(t, err, "no file, but d")
}

func TestShardOfOtherWorkIsRefused(t *testing.T) {
	key, e := sampleShard()
	path := filepath.Join(t.TempDir(), "x.shard")
	require.NoError(t, writeShard(path, key, e))
	for name, c := range map[string]struct {
		change func(*shardKey)
		says   string
	}{
		"cells":   {func(k *shardKey) { k.To++ }, `to is "13", want "14"`},
		"input":   {func(k *shardKey) { k.Input = "j" }, `input is "i", want "j"`},
		"model":   {func(k *shardKey) { k.Fingerprint = "g" }, `fingerprint is "f", want "g"`},
		"options": {func(k *shardKey) { k.Options.Seed, k.Options.Cap = 1, "even" }, `options.cap is "", want "even"; options.seed is "0", want "1"`},
		"genes":   {func(k *shardKey) { k.Options.Genes = engine.NameList(slices.Repeat([]string{"GENE"}, 99)) }, `options.genes is "", want "GENE\nGENE\nGENE\nGENE\nGENE\nGENE\nGENE\nGENE\n"… (494 bytes, SHA-256 `},
		"version": {func(k *shardKey) { k.Version = "0.0.0" }, `version is "` + Version + `", want "0.0.0"`},
	} {
		t.Run(name, func(t *testing.T) {
			want := key
			c.change(&want)
			_, _, err := readShard(path, want, true)
			require.ErrorIs(t, err, errShardMismatch)
			require.ErrorContains(t, err, path+": the shard file belongs to other work: "+c.says)
		})
	}
}

// The header lists the cells without a known gene: of the largest shard at the end
// of the largest file all of them, and the chosen genes of an integration beside.
func TestLargestShardOfEmptyCells(t *testing.T) {
	key, _ := sampleShard()
	key.To = math.MaxInt32
	key.From = key.To - engine.MaxShardCells
	key.Options.Genes = engine.NameList(slices.Repeat([]string{"ENSG00000000001"}, maxChoice/len("\"ENSG00000000001\",")))
	want := &engine.Embeddings{From: key.From, To: key.To, Dim: 1, Vectors: make([]float32, engine.MaxShardCells), Logits: []float32{}}
	for cell := key.From; cell < key.To; cell++ {
		want.Empty = append(want.Empty, cell)
	}
	path := filepath.Join(t.TempDir(), "x.shard")
	require.NoError(t, writeShard(path, key, want))
	got, _, err := readShard(path, key, false)
	require.NoError(t, err)
	require.True(t, reflect.DeepEqual(want, got)) // not require.Equal, which would print both
}

// Any byte changed, cut off or added is noticed.
func TestDamagedShardIsRefused(t *testing.T) {
	key, e := sampleShard()
	path := filepath.Join(t.TempDir(), "x.shard")
	require.NoError(t, writeShard(path, key, e))
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	refused := func(data []byte) {
		t.Helper()
		require.NoError(t, os.WriteFile(path, data, 0o644))
		_, _, err := readShard(path, key, true)
		require.Error(t, err)
		require.ErrorContains(t, err, path)
	}
	for i := range whole {
		bad := append([]byte(nil), whole...)
		bad[i] ^= 0x20
		refused(bad)
		refused(whole[:i])
	}
	refused(append(append([]byte(nil), whole...), 0))
	require.NoError(t, os.WriteFile(path, whole, 0o644))
	_, _, err = readShard(path, key, true)
	require.NoError(t, err)
}

func FuzzReadShard(f *testing.F) {
	key, e := sampleShard()
	path := filepath.Join(f.TempDir(), "x.shard")
	require.NoError(f, writeShard(path, key, e))
	whole, err := os.ReadFile(path)
	require.NoError(f, err)
	f.Add(whole)
	f.Add(whole[:len(shardMagic)+4])
	f.Add([]byte(shardMagic + "\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x.shard")
		require.NoError(t, os.WriteFile(path, data, 0o644))
		if got, _, err := readShard(path, key, true); err == nil {
			require.Equal(t, e, got)
		}
	})
}
