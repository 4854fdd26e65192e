//go:build !unix

package mmap

import "os"

func load(f *os.File, size int) (*File, error) { return read(f, size) }
