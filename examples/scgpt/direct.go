package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/reference"
	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

// directFlags are the flags of the commands that work without Temporal.
type directFlags struct {
	modelFlags
	model, data, out string
	cells            cellFlags
}

func (f *directFlags) register(cmd *cobra.Command, task engine.Task) {
	f.registerModel(cmd)
	cmd.Flags().StringVar(&f.data, "data", "", "the cells: an .h5ad file, or the .h5 file or folder of 10x Genomics")
	cmd.Flags().StringVar(&f.out, "out", "", "the .h5ad file to write")
	lengths := fmt.Sprint(task.DefaultMaxLength())
	if task == engine.Integrate {
		lengths = "the chosen genes and 1"
	}
	f.cells.register(cmd, lengths)
}

func (f *directFlags) registerModel(cmd *cobra.Command) {
	f.modelFlags.register(cmd)
	cmd.Flags().StringVar(&f.model, "model", "", "folder of a model, or its name in the model folder (default: the only one there)")
}

// check finds wrong usage before anything is opened.
func (f *directFlags) check(cmd *cobra.Command) error {
	if err := f.modelFlags.check(); err != nil {
		return err
	}
	if err := f.cells.check(cmd); err != nil {
		return err
	}
	if f.data == "" {
		return usagef("--data is missing: want the path of an .h5ad file")
	}
	if f.out == "" {
		return usagef("--out is missing: want the path of the .h5ad file to write")
	}
	return checkOut(f.out)
}

// checkOut refuses the names of other formats than the one that is written.
func checkOut(path string) error {
	if err := anndata.CheckName(path); err != nil {
		return usagef("--out: %w", err)
	}
	return nil
}

// load opens the device and the model.
func (f *directFlags) load() (*engine.Engine, func() error, error) {
	dir, err := f.modelDir()
	if err != nil {
		return nil, nil, err
	}
	dev, err := compute.Open(f.device, compute.Options{Precision: compute.Precision(f.precision), Threads: f.threads})
	if err != nil {
		return nil, nil, err
	}
	eng, err := engine.Load(dir, dev)
	if err != nil {
		return nil, nil, errors.Join(err, dev.Close())
	}
	return eng, func() error { return errors.Join(eng.Close(), dev.Close()) }, nil
}

// modelDir takes --model as a folder if there is such a one, else as a name.
func (f *directFlags) modelDir() (string, error) {
	if f.model != "" && isDir(f.model) {
		return f.model, nil
	}
	folder, fallback, err := f.modelFolder()
	if err != nil {
		return "", err
	}
	name, err := engine.FindModel(folder, f.model, fallback)
	return filepath.Join(folder, name), err
}

// paths checks --data and --out before anything is loaded.
func (f *directFlags) paths() error {
	data, err := os.Stat(f.data)
	if err != nil {
		return err
	}
	if there, err := os.Stat(f.out); err == nil && os.SameFile(data, there) {
		return retry.InvalidData.Errorf("%s: --out is the input itself: choose another path", f.out)
	}
	_, err = outputPath(f.out)
	return err
}

// outputPath makes sure that a file can be written at path.
func outputPath(path string) (string, error) {
	dir := filepath.Dir(path)
	if !isDir(dir) {
		return "", retry.FileNotFound.Errorf("%s: there is no folder %s", path, dir)
	}
	roots, err := storage.NewRoots(dir)
	if err != nil {
		return "", err
	}
	out, err := roots.Output(filepath.Base(path))
	if err != nil {
		return "", err
	}
	return out, storage.CheckWritable(out)
}

// direct is what the commands that work without Temporal share.
type direct struct {
	eng   *engine.Engine
	start time.Time
	// loading is what the model took.
	loading time.Duration
}

// withModel checks the paths, loads the model and runs work. The clock starts once
// the model is loaded.
func (a *app) withModel(f directFlags, work func(d direct) error) (err error) {
	if err := f.paths(); err != nil {
		return err
	}
	loading := time.Now()
	eng, closeEngine, err := f.load()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeEngine()) }()
	start := time.Now()
	return work(direct{eng, start, start.Sub(loading)})
}

// open opens the file of the cells and runs work.
func (d direct) open(f directFlags, opts engine.Options, work func(cells *engine.Cells) error) (err error) {
	cells, err := d.eng.Open(f.data, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cells.Close()) }()
	return work(cells)
}

// provenance says where a file's additions come from, as the agent does.
func provenance(eng *engine.Engine, method string) engine.Provenance {
	return engine.Provenance{Agent: api.Domain.Name, Version: scgpt.Version, Model: eng.Name(), Fingerprint: eng.Fingerprint(), Device: eng.Class(), Method: method}
}

// labelProvenance is that of labels; ref is nil for those of the classifier.
func labelProvenance(eng *engine.Engine, ref *reference.Reference) engine.Provenance {
	if ref == nil {
		return provenance(eng, api.MethodClassifier)
	}
	p := provenance(eng, api.MethodReference)
	p.Reference, p.ReferenceFingerprint = ref.Name, ref.Fingerprint()
	return p
}
