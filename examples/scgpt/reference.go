package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/scgpt"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/reference"
)

// referenceFlags say where references are.
type referenceFlags struct{ references string }

func (f *referenceFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.references, "references", "", "folder of the references (default: TROUPE_REFERENCES, else the sample ones)")
}

// referenceFolder returns the folder of the references. A program outside of a
// clone has no sample ones.
func (f referenceFlags) referenceFolder() (string, error) {
	if dir := cmp.Or(f.references, os.Getenv("TROUPE_REFERENCES")); dir != "" {
		return dir, nil
	}
	return sample(sampleReferences, "--references or TROUPE_REFERENCES")
}

// buildFlags are the flags of reference build.
type buildFlags struct {
	directFlags
	referenceFlags
	name string
}

func (a *app) referenceCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "reference", Short: "Labelled references to take labels from", Args: noArgs, RunE: needsSubcommand}
	cmd.AddCommand(a.referenceBuildCommand(), a.referenceListCommand())
	return cmd
}

func (a *app) referenceBuildCommand() *cobra.Command {
	var f buildFlags
	cmd := &cobra.Command{
		Use: "build", Short: "Build a reference from a labelled .h5ad file and a model", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case f.data == "":
				return usagef("--data is missing: want the path of a labelled .h5ad file")
			case f.name == "":
				return usagef("--name is missing: want the name of the reference")
			case cmp.Or(f.references, os.Getenv("TROUPE_REFERENCES")) == "":
				return usagef("--references is missing: want the folder to write the reference to, which workers are given too")
			}
			if err := f.modelFlags.check(); err != nil {
				return err
			}
			if err := f.cells.check(cmd); err != nil {
				return err
			}
			return a.buildReference(cmd.Context(), f)
		},
	}
	f.registerModel(cmd)
	f.referenceFlags.register(cmd)
	cmd.Flags().StringVar(&f.data, "data", "", "the labelled .h5ad file")
	cmd.Flags().StringVar(&f.name, "name", "", "the name of the reference")
	f.cells.register(cmd, fmt.Sprint(engine.Embed.DefaultMaxLength()))
	cmd.Flags().StringVar(&f.cells.LabelColumn, "label-column", "", "column of obs with the labels (default: celltype or cell_type)")
	return cmd
}

func (a *app) buildReference(ctx context.Context, f buildFlags) (err error) {
	if _, err := os.Stat(f.data); err != nil {
		return err
	}
	folder, err := f.referenceFolder()
	if err != nil {
		return err
	}
	eng, closeEngine, err := f.load()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeEngine()) }()
	_, missing := os.Stat(filepath.Join(folder, f.name))
	bar := newBar(a.stderr, 1)
	m, err := reference.Build(ctx, eng, f.data, reference.BuildOptions{
		Folder: folder, Name: f.name, LabelColumn: f.cells.LabelColumn, Options: f.cells.options(engine.Embed), Version: scgpt.Version,
		Progress: func(done, total int) {
			bar.ChangeMax(total)
			_ = bar.Set(done)
		},
	})
	_ = bar.Finish()
	if err != nil {
		return err
	}
	if a.json {
		a.printJSON(m)
		return nil
	}
	fmt.Fprintf(a.stdout, "reference %s in %s: %d cells of %d types, for the model %s", m.Name, folder, m.Cells, len(m.Types), m.Model)
	if m.Skipped > 0 {
		fmt.Fprintf(a.stdout, " (%d cells without a label or a known gene left out)", m.Skipped)
	}
	if missing == nil {
		fmt.Fprint(a.stdout, "; the one of that name was replaced")
	}
	fmt.Fprintln(a.stdout)
	return nil
}

func (a *app) referenceListCommand() *cobra.Command {
	var f referenceFlags
	cmd := &cobra.Command{
		Use: "list", Short: "List the references", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			folder, err := f.referenceFolder()
			if err != nil {
				return err
			}
			names, err := reference.Names(folder)
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(map[string]any{"folder": folder, "references": append([]string{}, names...)})
				return nil
			}
			for _, n := range names {
				fmt.Fprintln(a.stdout, n)
			}
			return nil
		},
	}
	f.register(cmd)
	return cmd
}
