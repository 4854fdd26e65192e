// Package hdf5 reads and writes the part of HDF5 that .h5ad files use, in pure
// Go.
//
// # Reading
//
// [Open] takes files of every library version from 1.6 to 2.0: superblocks 0
// to 3, object headers 1 and 2 with continuations, groups stored as symbol
// tables, link messages or dense links, compact, contiguous and chunked
// datasets with every chunk index, the filters deflate, shuffle, fletcher32,
// lzf and zstd, and all datatypes that describe numbers, strings, booleans,
// records and references. What it does not read (virtual and external
// datasets, other filters) it names in an error that matches
// [errors.ErrUnsupported].
//
// A [Dataset] is read in ranges of its first axis, so memory depends on what
// is asked for and not on the size of the file. Chunks are decoded by as many
// goroutines as there are processors.
//
// # Hostile files
//
// Every declared size is checked against the size of the file before memory
// is taken for it, every structure that could point back to itself is walked
// with a record of what was seen, checksums are verified where the format has
// them, and a chunk never decodes to more than its declared size. A damaged
// file gives a [FormatError], never a panic.
//
// # Writing
//
// A [Writer] appends objects to a new file, or to a copy of an existing one
// whose bytes stay as they are. See [Create] and [Extend].
//
// The format is that of the HDF5 File Format Specification, version 3.0 and
// 4.0; section names in comments refer to it.
package hdf5
