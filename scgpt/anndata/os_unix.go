//go:build unix

package anndata

import (
	"errors"
	"os"
)

// unlinkOpen takes the name from a file that stays open, so that it goes even
// if the process is killed. It reports whether it did.
func unlinkOpen(path string) bool { return os.Remove(path) == nil }

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
