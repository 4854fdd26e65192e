//go:build !unix

package mmap

import "os"

// load reads the file. Windows could map it, but lets nobody remove or replace a file
// that is mapped, such as a checkpoint that a worker has open.
func load(f *os.File, size int) (*File, error) { return read(f, size) }
