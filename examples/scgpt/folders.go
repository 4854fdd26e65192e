package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

// checkFolders finds folders that cannot be used before anything runs. The agent
// would find them too, and wait for them to get better.
func (f workerFlags) checkFolders() error {
	for _, root := range f.roots {
		if root == "" {
			return usagef("--roots names a folder of no name: want paths joined by commas")
		}
		if _, err := storage.NewRoots(root); err != nil {
			return fmt.Errorf("--roots: %w: want folders that are there", err)
		}
	}
	models, _, err := f.modelFolder()
	if err != nil {
		return err
	}
	if _, err := engine.Models(models); err != nil {
		source := source("--models", f.models, "TROUPE_MODELS")
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("%s: %w", source, &engine.DeniedError{Path: models})
		}
		return fmt.Errorf("%s: %w: want a folder with one folder for each model", source, err)
	}
	if dir := f.memo.folder(); dir != "" && !f.memo.none {
		if err := checkShared(source("--memo-dir", f.memo.dir, "TROUPE_MEMO_DIR"), dir); err != nil {
			return err
		}
	}
	if f.lease != "" {
		return checkShared("--lease-dir", f.lease)
	}
	return nil
}

// source is what a value came from: the flag, if it was given, else the variable.
func source(flag, given, variable string) string {
	if given != "" {
		return flag
	}
	return variable
}

// checkShared makes a folder that workers share, as its user would, and makes sure
// that files can be made in it.
func checkShared(source, dir string) error {
	err := os.MkdirAll(dir, 0o777)
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(dir, ".troupe-*.tmp"); err == nil {
			err = errors.Join(f.Close(), os.Remove(f.Name()))
		}
	}
	if err != nil {
		return fmt.Errorf("%s: the folder %s cannot be used: %w: want one that this program may make, or write to", source, dir, err)
	}
	return nil
}
