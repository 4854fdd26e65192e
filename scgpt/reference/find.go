package reference

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Names lists the references in a folder, sorted. A folder that is not there
// has none.
func Names(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(folder, e.Name(), manifestName)); err == nil {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Find returns the folder of the reference of a name, which is never a path. The
// error of an unknown one is a *[NotFoundError].
func Find(folder, name string) (dir string, err error) {
	var there []string
	if folder != "" {
		if there, err = Names(folder); err != nil {
			return "", err
		}
	}
	if !slices.Contains(there, name) {
		return "", &NotFoundError{Name: name, Folder: folder, There: there}
	}
	return filepath.Join(folder, name), nil
}
