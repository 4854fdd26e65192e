//go:build !unix && !windows

package anndata

import "os"

// createPassing makes a temporary file, which whoever closes it has to remove.
func createPassing(dir, prefix, suffix string) (file *os.File, named bool, err error) {
	file, err = os.CreateTemp(dir, prefix+"*"+suffix)
	return file, true, err
}

// syncDir does nothing where directories cannot be synced.
func syncDir(string) error { return nil }
