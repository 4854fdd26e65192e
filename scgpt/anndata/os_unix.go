//go:build unix

package anndata

import (
	"errors"
	"os"
)

// createPassing makes a temporary file that goes when it is closed, even if the
// process is killed: its name goes at once. named is set where that failed.
func createPassing(dir, prefix, suffix string) (file *os.File, named bool, err error) {
	file, err = os.CreateTemp(dir, prefix+"*"+suffix)
	if err != nil {
		return nil, false, err
	}
	return file, os.Remove(file.Name()) != nil, nil
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
