package main

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// The sample cells and model that come with the repository.
const (
	sampleCells = "testdata/cells/pbmc68k_test.h5ad"
	sampleModel = "tiny_scgpt"
	sampleDir   = "testdata/models"

	sampleReferences = "testdata/references"
	// The cells that the sample model was trained on, for the baseline.
	sampleTraining = "testdata/cells/pbmc68k_train.h5ad"
)

// sample finds a sample file from the working directory upwards, so that the
// program runs from anywhere in a clone. flag is the one that names another file.
func sample(path, flag string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		candidate := filepath.Join(dir, filepath.FromSlash(path))
		if _, err := os.Stat(candidate); err == nil {
			return candidate, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the sample " + path + " is not in this folder or above it: run the program in a clone of the repository, or name your own with " + flag)
		}
		dir = parent
	}
}

// modelFlags are the flags that say which model runs on what.
type modelFlags struct {
	models    string
	device    string
	precision string
	threads   int
	// worker is the path of the CUDA worker.
	worker string
}

// check finds wrong usage before anything is opened.
func (f modelFlags) check() error {
	if err := oneOf("--precision", f.precision, string(compute.FP32), string(compute.TF32), string(compute.BF16x3), string(compute.BF16)); err != nil {
		return err
	}
	if f.threads < 0 || f.threads > mostThreads {
		return usagef("--threads is %d: want 1 to %d, or 0 for all processors", f.threads, mostThreads)
	}
	if slices.Contains(splitDevices(f.device), "") {
		return usagef("--device is %q: want the name of a device, such as cpu, or several names joined by commas", f.device)
	}
	return nil
}

// mostThreads is far above what a machine has processors: each thread has memory of
// its own.
const mostThreads = 4096

// modelFolder returns the folder of the models and the default model in it.
func (f modelFlags) modelFolder() (dir, fallback string, err error) {
	if dir = cmp.Or(f.models, os.Getenv("TROUPE_MODELS")); dir != "" {
		return dir, "", nil
	}
	dir, err = sample(sampleDir, "--models or TROUPE_MODELS")
	return dir, sampleModel, err
}
