package engine_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens/hvg"
)

const celltypist = testdata + "/cells/celltypist_sample.h5ad"

// withBatches writes a copy of a file with obs["batch"].
func withBatches(t *testing.T, path string, batch func(cell int) string) string {
	t.Helper()
	f, err := anndata.Open(path)
	require.NoError(t, err)
	defer f.Close()
	batches := make([]string, f.NObs())
	for i := range batches {
		batches[i] = batch(i)
	}
	out := filepath.Join(t.TempDir(), "batches.h5ad")
	require.NoError(t, anndata.Copy(t.Context(), f, out, anndata.Additions{
		Obs: []anndata.NewColumn{{Name: "batch", Values: batches}},
	}))
	return out
}

// The 300 genes that the model with domains was fine-tuned on.
func dsbnGenes(t *testing.T) engine.Names {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testdata, "models", "tiny_scgpt_dsbn", "extra.json"))
	require.NoError(t, err)
	var extra struct{ Genes []string }
	require.NoError(t, json.Unmarshal(data, &extra))
	return engine.NameList(extra.Genes)
}

// Embeddings of both domains as upstream's integration computes them.
func TestIntegrationGoldens(t *testing.T) {
	eng := load(t, "tiny_scgpt_dsbn", compute.Options{})
	genes := dsbnGenes(t)
	for _, c := range []struct{ path, batch, prefix string }{
		{pbmc, "pbmc68k_reduced", "b0_"},
		{celltypist, "celltypist_sample", "b1_"},
	} {
		t.Run(c.batch, func(t *testing.T) {
			path := withBatches(t, c.path, func(int) string { return c.batch })
			cells := open(t, eng, path, engine.Options{Task: engine.Integrate, BatchKey: "batch", Genes: genes, MinGeneShare: 0.1})
			rows := golden(t, "dsbn", c.prefix+"rows", safetensors.Tensor.Int64)
			emb, err := cells.Embed(t.Context(), 0, cells.Len(), nil)
			require.NoError(t, err)
			require.EqualValues(t, cells.Len()*301, emb.Tokens)
			require.Zero(t, emb.Truncated)
			for tensor, all := range map[string][]float32{"cell_emb": emb.Vectors, "emb_l2": emb.Normalized()} {
				var got []float32
				for _, row := range rows {
					got = append(got, all[int(row)*emb.Dim:(int(row)+1)*emb.Dim]...)
				}
				requireClose(t, goldenFloats(t, "dsbn", c.prefix+tensor), got, 1e-5)
			}
		})
	}
}

// Cells of several domains side by side get what each gets among its own.
func TestDomainsOfOneFile(t *testing.T) {
	eng := load(t, "tiny_scgpt_dsbn", compute.Options{})
	opts := engine.Options{Task: engine.Integrate, BatchKey: "batch", Genes: dsbnGenes(t)}
	names := []string{"pbmc68k_reduced", "celltypist_sample"}
	var alone [2]*engine.Embeddings
	for domain, name := range names {
		cells := open(t, eng, withBatches(t, pbmc, func(int) string { return name }), opts)
		var err error
		alone[domain], err = cells.Embed(t.Context(), 0, 60, nil)
		require.NoError(t, err)
	}
	require.NotEqual(t, alone[0].Vectors, alone[1].Vectors)

	mixed := open(t, eng, withBatches(t, pbmc, func(cell int) string { return names[cell%3%2] }), opts)
	require.Equal(t, []string{"celltypist_sample", "pbmc68k_reduced"}, mixed.Batches().Names)
	require.Equal(t, []int{1, 0}, mixed.Batches().Domains)
	for _, from := range []int{0, 7} {
		done := 0
		got, err := mixed.Embed(t.Context(), from, 60, func(n int) { done = n })
		require.NoError(t, err)
		require.Equal(t, 60-from, done)
		for cell := from; cell < 60; cell++ {
			want := alone[cell%3%2]
			require.Equal(t, want.Vectors[cell*want.Dim:(cell+1)*want.Dim], got.Vectors[(cell-from)*want.Dim:(cell-from+1)*want.Dim], "cell %d", cell)
		}
	}
}

func TestChooseGenes(t *testing.T) {
	eng := load(t, "tiny_scgpt_dsbn", compute.Options{})
	two := func(cell int) string { return []string{"pbmc68k_reduced", "celltypist_sample"}[cell%2] }
	for _, c := range []struct {
		path   string
		flavor hvg.Flavor
	}{{pbmc, hvg.CellRanger}, {celltypist, hvg.SeuratV3}} {
		t.Run(string(c.flavor), func(t *testing.T) {
			path := withBatches(t, c.path, two)
			opts := engine.Options{Task: engine.Integrate, BatchKey: "batch"}
			cells := open(t, eng, path, opts)
			_, err := cells.Embed(t.Context(), 0, 1, nil)
			require.ErrorContains(t, err, "not chosen yet")

			choice, err := cells.ChooseGenes(t.Context(), engine.ChooseOptions{N: 100})
			require.NoError(t, err)
			require.Equal(t, c.flavor, choice.Flavor)
			require.Equal(t, 100, choice.Genes.Len())
			require.Greater(t, choice.Candidates, 400)
			again, err := cells.ChooseGenes(t.Context(), engine.ChooseOptions{N: 100, Flavor: c.flavor})
			require.NoError(t, err)
			require.Equal(t, choice, again)

			opts.Genes = choice.Genes
			emb, err := open(t, eng, path, opts).Embed(t.Context(), 0, 10, nil)
			require.NoError(t, err)
			require.EqualValues(t, 10*101, emb.Tokens)

			ready, chosen, err := eng.OpenIntegration(t.Context(), path, engine.Options{BatchKey: "batch"}, engine.ChooseOptions{N: 100})
			require.NoError(t, err)
			defer ready.Close()
			require.Equal(t, choice, chosen)
			same, err := ready.Embed(t.Context(), 0, 10, nil)
			require.NoError(t, err)
			require.Equal(t, emb, same)

			all, err := cells.ChooseGenes(t.Context(), engine.ChooseOptions{N: 1 << 20})
			require.NoError(t, err)
			require.Equal(t, all.Candidates, all.Genes.Len())
			require.Empty(t, all.Flavor)
			require.Len(t, all.Warnings, 1)
		})
	}
}

// Genes are chosen among those that the model knows alone, as scanpy does on a
// matrix reduced to them: testdata of package hvg holds its choice on all.
func TestChooseGenesAmongKnownOnes(t *testing.T) {
	eng := load(t, "tiny_scgpt", compute.Options{})
	cells := open(t, eng, withBatches(t, pbmc, func(int) string { return "a" }), engine.Options{BatchKey: "batch"})
	choice, err := cells.ChooseGenes(t.Context(), engine.ChooseOptions{N: 300})
	require.NoError(t, err)
	found, err := eng.Genes(choice.Genes.List())
	require.NoError(t, err)
	require.Len(t, found.Genes, 300)
	require.LessOrEqual(t, choice.Candidates, cells.GeneMatch().Matched)
}

func TestIntegrationRefuses(t *testing.T) {
	eng := load(t, "tiny_scgpt_dsbn", compute.Options{})
	path := withBatches(t, pbmc, func(cell int) string { return []string{"a", "b", "c"}[cell%3] })
	known := withBatches(t, pbmc, func(int) string { return "pbmc68k_reduced" })
	missing := withBatches(t, pbmc, func(cell int) string { return []string{"a", ""}[cell%2] })
	cases := []struct {
		name string
		path string
		opts engine.Options
		want string
	}{
		{"no column named", path, engine.Options{}, "no column of batches is named"},
		{"no such column", path, engine.Options{BatchKey: "none"}, `no column "none"`},
		{"a cell without a batch", missing, engine.Options{BatchKey: "batch"}, "of cell 1 is missing"},
		{"a batch that the model does not know", path, engine.Options{BatchKey: "batch"}, `batch "a", which the model does not know; it knows ["pbmc68k_reduced" "celltypist_sample"]`},
		{"too few names", path, engine.Options{BatchKey: "batch", Batches: engine.NameList([]string{"a", "b"})}, `batch "c", which the model does not know`},
		{"too many names", path, engine.Options{BatchKey: "batch", Batches: engine.NameList([]string{"a", "b", "c"})}, "3 batches are named for a model with 2 domains"},
		{"a gene that the model does not know", known, engine.Options{BatchKey: "batch", Genes: "NOTAGENE"}, `"NOTAGENE"`},
		{"genes that the file lacks", known, engine.Options{BatchKey: "batch", Genes: engine.NameList([]string{"NKG7", "CD8B", "A2M"}), MinGeneShare: 0.9}, "of the 3 genes that cells are to be reduced to"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.opts.Task = engine.Integrate
			_, err := eng.Open(c.path, c.opts)
			require.ErrorContains(t, err, c.want)
			var classed interface{ ErrorType() string }
			require.ErrorAs(t, err, &classed)
			require.Equal(t, "InvalidDataError", classed.ErrorType())
		})
	}
	_, err := open(t, eng, pbmc, engine.Options{}).ChooseGenes(t.Context(), engine.ChooseOptions{N: -1})
	require.ErrorContains(t, err, "want 1 or more")
}

func TestNames(t *testing.T) {
	o := engine.Options{Genes: engine.NameList([]string{"A", "B"})}
	data, err := json.Marshal(o)
	require.NoError(t, err)
	require.JSONEq(t, `{"task":"","genes":["A","B"]}`, string(data))
	var back engine.Options
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, o, back)
	require.Empty(t, engine.Names("").List())
	require.Error(t, json.Unmarshal([]byte(`{"genes":["A\nB"]}`), &back))
	require.Error(t, json.Unmarshal([]byte(`{"genes":[""]}`), &back))
	require.NoError(t, json.Unmarshal([]byte(`{"genes":null}`), &back))
	require.Empty(t, back.Genes)
}
