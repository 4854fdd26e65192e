package anndata

import (
	"crypto/rand"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// createPassing makes a temporary file that goes when it is closed, even if the
// process is killed.
func createPassing(dir, prefix, suffix string) (file *os.File, named bool, err error) {
	if dir == "" {
		dir = os.TempDir()
	}
	path := filepath.Join(dir, prefix+rand.Text()+suffix)
	file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|windows.FILE_FLAG_DELETE_ON_CLOSE, 0o600)
	return file, false, err
}

// syncDir does nothing: folders cannot be synced here.
func syncDir(string) error { return nil }
