package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// try runs the program and returns exit code, stdout and stderr.
func try(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestWrongUsage(t *testing.T) {
	cases := []struct {
		name string
		args []string
		want string
	}{
		{"unknown command", []string{"frobnicate"}, `unknown command or argument "frobnicate"`},
		{"unknown flag", []string{"run", "--frobnicate"}, "unknown flag: --frobnicate"},
		{"no data", []string{"start"}, "--data is missing"},
		{"unknown operation", []string{"start", "--operation", "x", "--data", "x"}, `--operation is "x"`},
		{"another operation's flag", []string{"start", "--data", "x", "--similarity"}, "--similarity has no meaning for --operation analysis: it is for get_gene_embeddings"},
		{"batches of labels", []string{"start", "--data", "x", "--operation", "annotate_cell_types", "--n-hvg", "5"}, "--n-hvg has no meaning for --operation annotate_cell_types: it is for analysis, integrate_batches"},
		{"genes without batches", []string{"start", "--data", "x", "--n-hvg", "5"}, "--n-hvg is for integration: name the column of the batches with --batch-key"},
		{"flavor without batches", []string{"run", "--flavor", "seurat_v3"}, "--flavor is for integration: name the column of the batches with --batch-key"},
		{"data of genes", []string{"start", "--data", "x", "--operation", "get_gene_embeddings"}, "--data has no meaning for --operation get_gene_embeddings"},
		{"name of another format", []string{"annotate", "--data", "x", "--out", "y.csv"}, "--out: y.csv: an .h5ad file is written: want a name that ends in .h5ad"},
		{"genes into another format", []string{"genes", "--out", "y.csv"}, "--out: y.csv: an .h5ad file is written"},
		{"name of another format for a worker", []string{"start", "--data", "x", "--out", "y.csv"}, "--out: y.csv: an .h5ad file is written"},
		{"name of another format for the demonstration", []string{"run", "--out", "y.csv"}, "--out: y.csv: an .h5ad file is written"},
		{"no id", []string{"status"}, "takes exactly one argument"},
		{"two ids", []string{"result", "a", "b"}, "takes exactly one argument"},
		{"unknown agent", []string{"worker", "--agents", "bar"}, `there is no agent "bar"`},
		{"no agent", []string{"worker", "--agents", ""}, "--agents is empty"},
		{"isolation", []string{"worker", "--isolation", "glass"}, `--isolation is "glass": want none or process`},
		{"no memory", []string{"worker", "--isolation", "process", "--memory-limit", "1e-12"}, "--memory-limit is 1e-12: want GiB, from 0.125 to 1048576"},
		{"memory without a number", []string{"worker", "--isolation", "process", "--memory-limit", "nan"}, "--memory-limit is NaN: want GiB, from 0.125"},
		{"memory limit without isolation", []string{"worker", "--memory-limit", "8"}, "--memory-limit is for --isolation process"},
		{"devices without isolation", []string{"worker", "--device", "cpu,cpu"}, "several devices need --isolation process"},
		{"list nothing", []string{"list", "--limit", "0"}, "--limit is 0"},
		{"embed without data", []string{"embed"}, "--data is missing"},
		{"annotate without out", []string{"annotate", "--data", "x"}, "--out is missing"},
		{"not a number", []string{"server", "--port", "x"}, "invalid argument"},
		{"cap", []string{"embed", "--data", "x", "--out", "y.h5ad", "--cap", "odd"}, `--cap is "odd": want even, first, highest, seeded`},
		{"ties", []string{"embed", "--data", "x", "--out", "y.h5ad", "--ties", "odd"}, `--ties is "odd"`},
		{"no room for a gene", []string{"embed", "--data", "x", "--out", "y.h5ad", "--max-length", "1"}, "--max-length is 1"},
		{"length 0", []string{"embed", "--data", "x", "--out", "y.h5ad", "--max-length", "0"}, "--max-length is 0"},
		{"negative length", []string{"annotate", "--data", "x", "--out", "y.h5ad", "--max-length", "-3"}, "--max-length is -3"},
		{"enormous length", []string{"annotate", "--data", "x", "--out", "y.h5ad", "--max-length", "99999999999999999999"}, "invalid argument"},
		{"share above 1", []string{"annotate", "--data", "x", "--out", "y.h5ad", "--min-gene-share", "1.5"}, "--min-gene-share is 1.5"},
		{"share that is no number", []string{"annotate", "--data", "x", "--out", "y.h5ad", "--min-gene-share", "NaN"}, "--min-gene-share is NaN"},
		{"seed of no rule", []string{"embed", "--data", "x", "--out", "y.h5ad", "--seed", "1"}, "--seed is for --cap seeded and --ties seeded"},
		{"neighbors of nobody", []string{"annotate", "--data", "x", "--out", "y.h5ad", "--neighbors", "5"}, "--neighbors are cells of a reference that vote: name one with --reference"},
		{"negative seed", []string{"embed", "--data", "x", "--out", "y.h5ad", "--seed", "-1"}, "invalid argument"},
		{"unknown precision", []string{"embed", "--data", "x", "--out", "y.h5ad", "--precision", "fp8"}, `--precision is "fp8": want fp32, tf32, bf16x3, bf16`},
		{"negative threads", []string{"genes", "--threads", "-1"}, "--threads is -1"},
		{"threads beyond reason", []string{"worker", "--threads", "9999999"}, "--threads is 9999999: want 1 to 4096, or 0 for all processors"},
		{"no device", []string{"worker", "--device", ""}, `--device is "": want the name of a device, such as cpu`},
		{"no device without Temporal", []string{"genes", "--device", ""}, `--device is "": want the name of a device`},
		{"a device without a name", []string{"worker", "--isolation", "process", "--device", "cpu,,cpu"}, `--device is "cpu,,cpu": want the name of a device`},
		{"negative memo", []string{"worker", "--memo-bytes", "-5"}, "--memo-bytes is -5: want 1 or more, or -1 for no bound (--no-memo stores nothing)"},
		{"memo of no bytes", []string{"run", "--memo-bytes", "0"}, "--memo-bytes is 0: want 1 or more"},
		{"root without a name", []string{"worker", "--roots", ".,"}, "--roots names a folder of no name: want paths joined by commas"},
		{"ops without a port", []string{"worker", "--ops", "localhost"}, `--ops is "localhost": want HOST:PORT, such as 127.0.0.1:8081`},
		{"precision of a worker", []string{"worker", "--precision", "fp8"}, `--precision is "fp8"`},
		{"no genes", []string{"genes", "--genes", ", ,"}, "--genes names none"},
		{"genes with an argument", []string{"genes", "CD3D"}, `unknown command or argument "CD3D"`},
		{"model without a command", []string{"model"}, "needs a command: convert or describe"},
		{"describe nothing", []string{"model", "describe"}, "takes exactly one argument"},
		{"convert to nothing", []string{"model", "convert", "x"}, "takes two arguments"},
		{"convert to no name", []string{"model", "convert", "x", ""}, "has no name"},
		{"report without one", []string{"annotate", "--data", "x", "--out", "y.h5ad", "--no-report", "--report", "z"}, "--no-report is given"},
		{"one file for two", []string{"annotate", "--data", "x", "--out", "y.h5ad", "--csv", "y.h5ad"}, "name the same file"},
		{"data without a command", []string{"data"}, "needs a command: describe"},
		{"codec without a command", []string{"codec"}, "needs a command: key or server"},
		{"key without an id", []string{"codec", "key"}, "takes exactly one argument"},
		{"key with a bad id", []string{"codec", "key", "a b"}, "a b"},
		{"codec server without keys", []string{"codec", "server"}, "TROUPE_PAYLOAD_KEYS is not set"},
		{"describe two", []string{"data", "describe", "x", "y"}, "takes exactly one argument"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := try(t, c.args...)
			require.Equal(t, 2, code)
			require.Empty(t, stdout)
			require.Regexp(t, `^UsageError: .*\n$`, stderr)
			require.Contains(t, stderr, c.want)
		})
	}
}

func TestFailures(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.h5ad")
	require.NoError(t, os.WriteFile(text, []byte("not HDF5"), 0o644))
	out, folder := filepath.Join(dir, "out.h5ad"), filepath.Join(dir, "folder.h5ad")
	require.NoError(t, os.Mkdir(folder, 0o755))
	cells, err := sample(sampleCells, "")
	require.NoError(t, err)
	unlabelled, err := sample("testdata/cells/celltypist_sample.h5ad", "")
	require.NoError(t, err)
	references := sampleFile(t, "references")
	cases := []struct {
		name  string
		args  []string
		class string
	}{
		{"missing file", []string{"annotate", "--data", filepath.Join(dir, "none.h5ad"), "--out", out}, "FileNotFoundError"},
		{"not HDF5", []string{"annotate", "--data", text, "--out", out}, "InvalidDataError"},
		{"unknown model", []string{"embed", "--model", "scGPT_mouse", "--data", cells, "--out", out}, "ModelNotFoundError"},
		{"model without classes", []string{"annotate", "--model", "tiny_scgpt_dsbn", "--data", cells, "--out", out}, "InvalidDataError"},
		{"no folder for the output", []string{"embed", "--data", cells, "--out", filepath.Join(dir, "none", "out.h5ad")}, "FileNotFoundError"},
		{"output is input", []string{"embed", "--data", text, "--out", text}, "InvalidDataError"},
		{"output is a folder", []string{"embed", "--data", cells, "--out", folder}, "InvalidDataError"},
		{"report is a device", []string{"annotate", "--data", cells, "--out", out, "--report", os.DevNull}, "InvalidDataError"},
		{"no folder for the report", []string{"annotate", "--data", cells, "--out", out, "--report", filepath.Join(dir, "none", "r.html")}, "FileNotFoundError"},
		{"missing baseline", []string{"annotate", "--data", cells, "--out", out, "--baseline", "none.h5ad"}, "FileNotFoundError"},
		{"baseline without truth", []string{"annotate", "--data", unlabelled, "--out", out, "--baseline", cells}, "InvalidDataError"},
		{"baseline without types", []string{"annotate", "--data", cells, "--out", out, "--baseline", unlabelled}, "InvalidDataError"},
		{"more neighbours than cells", []string{"annotate", "--data", cells, "--out", out, "--references", references, "--reference", "pbmc68k", "--neighbors", "501"}, "InvalidDataError"},
		{"unknown device", []string{"embed", "--device", "tpu", "--data", cells, "--out", out}, "Error"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := try(t, append(c.args, "--json")...)
			require.Equal(t, 1, code)
			require.Regexp(t, `^`+c.class+`: .*\n$`, stderr)
			var printed struct {
				Error struct{ Type, Message string }
			}
			require.NoError(t, json.Unmarshal([]byte(stdout), &printed))
			require.Equal(t, c.class, printed.Error.Type)
			require.Contains(t, stderr, printed.Error.Message)
			require.NoFileExists(t, out)
		})
	}
}

func TestAnnotateWithoutTemporal(t *testing.T) {
	cells, err := sample(sampleCells, "")
	require.NoError(t, err)
	out := filepath.Join(t.TempDir(), "out.h5ad")
	code, stdout, stderr := try(t, "annotate", "--data", cells, "--out", out, "--json")
	require.Zero(t, code, stderr)
	require.Empty(t, stderr)
	var got annotateResult
	require.NoError(t, json.Unmarshal([]byte(stdout), &got))
	require.Equal(t, 200, got.Cells)
	require.Equal(t, 705, got.GenesMatched)
	require.Equal(t, 765, got.GenesTotal)
	require.InDelta(t, 0.815, *got.Accuracy, 1e-9)
	require.Len(t, got.UniqueTypes, 10)
	require.Equal(t, "fp32", got.Precision)
	require.FileExists(t, out)
	require.Equal(t, filepath.Join(filepath.Dir(out), "out.report.html"), got.Report)
	require.FileExists(t, got.Report)
	require.Equal(t, filepath.Join(filepath.Dir(out), "out.cells.csv"), got.CSV)
	require.FileExists(t, got.CSV)

	train, err := sample(sampleTraining, "")
	require.NoError(t, err)
	alone := filepath.Join(t.TempDir(), "alone.h5ad")
	code, stdout, stderr = try(t, "annotate", "--data", cells, "--out", alone, "--no-report", "--baseline", train)
	require.Zero(t, code, stderr)
	require.Regexp(t, `Baseline {8}0\.8\d\d, macro F1 0\.6\d\d \(the nearest 10 of 500 labelled cells`, stdout)
	require.NotContains(t, stdout, "Report")
	entries, err := os.ReadDir(filepath.Dir(alone))
	require.NoError(t, err)
	require.Len(t, entries, 1)

	code, stdout, _ = try(t, "embed", "--model", filepath.Dir(filepath.Dir(cells))+"/models/tiny_scgpt_dsbn", "--data", cells, "--out", out)
	require.Zero(t, code)
	require.Contains(t, stdout, "200 cells")
}

// Genes whose name occurs before are counted in the terminal and on the page.
func TestDuplicateGenes(t *testing.T) {
	for name, c := range map[string]struct {
		genes              []string
		duplicate          int
		terminal, reported string
	}{
		"none": {[]string{"CD3D", "LYZ", "NKG7", "NOTAGENE"}, 0, "", ""},
		"one":  {[]string{"CD3D", "LYZ", "CD3D", "NOTAGENE"}, 1, "1 gene has a name that occurs before; the first counts\n", "1 left out because"},
		"two":  {[]string{"CD3D", "LYZ", "CD3D", "CD3D"}, 2, "2 genes have a name that occurs before; the first counts\n", "2 left out because"},
	} {
		t.Run(name, func(t *testing.T) {
			data := tenX(t, "integer", "4 3 4", "1 1 5\n2 1 3\n1 2 7\n2 3 4\n")
			var features strings.Builder
			for i, g := range c.genes {
				fmt.Fprintf(&features, "E%d\t%s\tGene Expression\n", i, g)
			}
			require.NoError(t, os.WriteFile(filepath.Join(data, "features.tsv"), []byte(features.String()), 0o600))
			out := filepath.Join(t.TempDir(), "out.h5ad")
			page := filepath.Join(t.TempDir(), "page.html")
			for _, command := range [][]string{{"annotate", "--report", page}, {"embed"}} {
				args := append(command, "--data", data, "--out", out)
				code, stdout, stderr := try(t, args...)
				require.Zero(t, code, stderr)
				require.Contains(t, stdout, c.terminal)
				require.Equal(t, c.duplicate > 0, strings.Contains(stdout, "occurs before"), stdout)
				require.Equal(t, c.duplicate, succeed[embedResult](t, args...).GenesDuplicate)
			}
			html, err := os.ReadFile(page)
			require.NoError(t, err)
			require.Contains(t, string(html), c.reported)
			require.Equal(t, c.duplicate > 0, strings.Contains(string(html), "left out because an earlier column is the same gene"))
		})
	}
}

func TestAnnotateWarns(t *testing.T) {
	code, stdout, stderr := try(t, "annotate", "--data", tenX(t, "real", "4 3 4", "1 1 35\n2 1 3.5\n1 2 7\n2 3 4\n"), "--out", filepath.Join(t.TempDir(), "out.h5ad"))
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "Note            the values of matrix.mtx are not all whole, but some are above 30")
}

// Columns that the copy replaces are told by each command.
func TestReplacedColumns(t *testing.T) {
	f, err := anndata.Open(tenX(t, "integer", "4 3 5", "1 1 5\n2 1 3\n1 2 7\n2 3 4\n1 3 1\n"))
	require.NoError(t, err)
	data := filepath.Join(t.TempDir(), "cells.h5ad")
	err = anndata.Copy(t.Context(), f, data, anndata.Additions{
		Obs: []anndata.NewColumn{
			{Name: "predicted_labels", Values: []string{"T", "B", "T"}}, {Name: "batch", Values: []string{"a", "b", "a"}},
		},
		Obsm: []anndata.NewArray{{Name: "X_scGPT", Cols: 1, Data: make([]float32, 3)}},
	})
	require.NoError(t, errors.Join(err, f.Close()))
	const labels, embedding = `obs["predicted_labels"] was in the input and is replaced in the copy`, `obsm["X_scGPT"] was in the input and is replaced in the copy`
	out := filepath.Join(t.TempDir(), "out.h5ad")
	require.Equal(t, []string{labels, embedding}, succeed[annotateResult](t, "annotate", "--data", data, "--out", out, "--no-report").Warnings)
	require.Contains(t, succeed[integrateResult](t, "integrate", "--data", data, "--out", out, "--n-hvg", "2").Warnings, embedding)
	require.Equal(t, []string{embedding}, succeed[embedResult](t, "embed", "--data", data, "--out", out).Warnings)
	code, stdout, stderr := try(t, "embed", "--data", data, "--out", out)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "Note            "+embedding)
}

// What an integration warns of, and what it refuses, is what the agent does.
func TestIntegrateWithoutTemporal(t *testing.T) {
	with := func(column string, values ...string) string {
		f, err := anndata.Open(tenX(t, "integer", "4 3 4", "1 1 5\n2 1 3\n1 2 7\n2 3 4\n"))
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "cells.h5ad")
		err = anndata.Copy(t.Context(), f, path, anndata.Additions{Obs: []anndata.NewColumn{{Name: column, Values: values}}})
		require.NoError(t, errors.Join(err, f.Close()))
		return path
	}
	out := filepath.Join(t.TempDir(), "out.h5ad")
	data := with("batch", "a", "b", "c")
	got := succeed[integrateResult](t, "integrate", "--data", data, "--out", out, "--n-hvg", "2")
	const warning = "how batches mix cannot be measured: no type has cells of two batches and more cells than batches"
	require.Equal(t, []string{warning}, got.Warnings)
	require.Nil(t, got.After.AvgBATCH)
	require.FileExists(t, out)
	code, stdout, stderr := try(t, "integrate", "--data", data, "--out", out, "--n-hvg", "2")
	require.Zero(t, code, stderr)
	require.Regexp(t, `batches mix \(AvgBATCH\) +- +-\n`, stdout)
	require.Contains(t, stdout, "Note            "+warning)

	code, _, stderr = try(t, "integrate", "--data", with("batch", "a", "a", "a"), "--out", out)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, `obs["batch"] has one batch, ["a"]: there is nothing to integrate`)
}
