package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
)

// dataDescription is what data describe --json prints.
type dataDescription struct {
	NObs     int                  `json:"n_obs"`
	NVars    int                  `json:"n_vars"`
	ObsNames []string             `json:"obs_names"` // the first three
	VarNames []string             `json:"var_names"` // the first three
	X        *matrixInfo          `json:"x"`
	Obs      map[string]fieldInfo `json:"obs"`
	Var      map[string]fieldInfo `json:"var"`
	Obsm     map[string][]int     `json:"obsm"`
	// ObsmOther are the encodings of what else obsm holds: awkward arrays, say.
	ObsmOther map[string]string `json:"obsm_other"`
	Layers    []string          `json:"layers"`
	Uns       []string          `json:"uns"`
	Raw       *rawInfo          `json:"raw"`
}

type matrixInfo struct {
	Encoding string `json:"encoding"`
	DType    string `json:"dtype"`
	NNZ      int64  `json:"nnz"`
	Sum      sum    `json:"sum"`
}

// sum is null in JSON, which has no NaN and no infinity, where the values have
// one of these.
type sum float64

func (s sum) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(s)) || math.IsInf(float64(s), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(s))
}

type fieldInfo struct {
	Kind       string   `json:"kind"`
	Categories []string `json:"categories,omitempty"`
}

type rawInfo struct {
	NVars int `json:"n_vars"`
}

func (a *app) dataCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "data", Short: "Look at data files", Args: noArgs, RunE: needsSubcommand}
	cmd.AddCommand(&cobra.Command{
		Use: "describe FILE", Short: "Show what an .h5ad file, or an .h5 file or a folder of 10x Genomics, holds",
		Args: oneArg("the file or folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := describeData(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(d)
			} else {
				a.printData(args[0], d)
			}
			return nil
		},
	})
	return cmd
}

// needsSubcommand is what a command that only groups others does.
func needsSubcommand(cmd *cobra.Command, _ []string) error {
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	return usagef("%s needs a command: %s", cmd.CommandPath(), strings.Join(names, " or "))
}

func describeData(ctx context.Context, path string) (d dataDescription, err error) {
	f, err := anndata.Open(path)
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	d = dataDescription{NObs: f.NObs(), NVars: f.NVars(), Layers: f.Layers(), Uns: f.Uns(), Obsm: map[string][]int{}, ObsmOther: map[string]string{}}
	if d.ObsNames, d.Obs, err = describeFrame(f.Obs()); err != nil {
		return d, err
	}
	if d.VarNames, d.Var, err = describeFrame(f.Var()); err != nil {
		return d, err
	}
	if f.HasX() {
		if d.X, err = describeMatrix(ctx, f); err != nil {
			return d, err
		}
	}
	arrays, err := f.Obsm()
	if err != nil {
		return d, err
	}
	for _, m := range arrays {
		if m.Shape == nil {
			d.ObsmOther[m.Name] = m.DType
			continue
		}
		d.Obsm[m.Name] = m.Shape
	}
	if f.HasRaw() {
		raw, err := f.Raw()
		if err != nil {
			return d, err
		}
		d.Raw = &rawInfo{NVars: raw.NVars()}
	}
	return d, nil
}

func describeMatrix(ctx context.Context, f *anndata.File) (*matrixInfo, error) {
	x, err := f.X()
	if err != nil {
		return nil, err
	}
	m := &matrixInfo{Encoding: x.Encoding(), DType: x.DType()}
	if m.NNZ, err = x.NNZ(ctx); err != nil {
		return nil, err
	}
	total, err := x.Sum(ctx)
	m.Sum = sum(total)
	return m, err
}

func describeFrame(fr *anndata.Frame) (names []string, fields map[string]fieldInfo, err error) {
	if names, err = fr.Index(); err != nil {
		return nil, nil, err
	}
	names = names[:min(len(names), 3)]
	fields = map[string]fieldInfo{}
	for _, name := range fr.Columns() {
		col, err := fr.Column(name)
		if err != nil {
			return nil, nil, err
		}
		fields[name] = fieldInfo{Kind: string(col.Kind), Categories: col.Categories}
	}
	return names, fields, nil
}

func (a *app) printData(path string, d dataDescription) {
	fmt.Fprintf(a.stdout, "%s: %d cells × %d genes\n", path, d.NObs, d.NVars)
	if d.X != nil {
		fmt.Fprintf(a.stdout, "X       %s %s, %d values that are not zero, sum %g\n", d.X.Encoding, d.X.DType, d.X.NNZ, d.X.Sum)
	}
	fmt.Fprintf(a.stdout, "obs     %s\n", describeFields(d.ObsNames, d.Obs))
	fmt.Fprintf(a.stdout, "var     %s\n", describeFields(d.VarNames, d.Var))
	for _, name := range slices.Sorted(maps.Keys(d.Obsm)) {
		fmt.Fprintf(a.stdout, "obsm    %s %v\n", name, d.Obsm[name])
	}
	for _, name := range slices.Sorted(maps.Keys(d.ObsmOther)) {
		fmt.Fprintf(a.stdout, "obsm    %s %s\n", name, d.ObsmOther[name])
	}
	if len(d.Layers) > 0 {
		fmt.Fprintf(a.stdout, "layers  %s\n", strings.Join(d.Layers, ", "))
	}
	if len(d.Uns) > 0 {
		fmt.Fprintf(a.stdout, "uns     %s\n", strings.Join(d.Uns, ", "))
	}
	if d.Raw != nil {
		fmt.Fprintf(a.stdout, "raw     %d genes\n", d.Raw.NVars)
	}
}

func describeFields(names []string, fields map[string]fieldInfo) string {
	text := "no rows"
	if len(names) > 0 {
		text = strings.Join(names, ", ") + ", …"
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		text += fmt.Sprintf("\n        %s (%s", name, fields[name].Kind)
		if n := len(fields[name].Categories); n > 0 {
			text += fmt.Sprintf(", %d: %s", n, strings.Join(fields[name].Categories[:min(n, 12)], ", "))
		}
		text += ")"
	}
	return text
}
