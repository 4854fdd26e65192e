//go:build !unix

package anndata

// unlinkOpen does nothing where open files keep their names.
func unlinkOpen(string) bool { return false }

// syncDir does nothing where directories cannot be synced.
func syncDir(string) error { return nil }
