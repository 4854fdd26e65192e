//go:build !windows

package storage

import "path/filepath"

// resolve returns the path of what exists at a path, free of links.
func resolve(path string) (string, error) { return filepath.EvalSymlinks(path) }
