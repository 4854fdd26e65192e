//go:build !unix

package mmap

import "os"

func load(f *os.File, size int) ([]byte, func() error, error) { return read(f, size) }
