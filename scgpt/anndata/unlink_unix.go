//go:build unix

package anndata

import "os"

// unlinkOpen takes the name from a file that stays open, so that it goes even
// if the process is killed. It reports whether it did.
func unlinkOpen(path string) bool { return os.Remove(path) == nil }
