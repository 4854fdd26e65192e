// Package mmap gives the bytes of a file without copying them: by a private
// read-only mapping on Unix, by reading the file elsewhere.
package mmap
