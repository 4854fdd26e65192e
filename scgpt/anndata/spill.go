package anndata

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
)

const (
	spillRecord = 12                 // row, column, value
	spillBlock  = 1024 * spillRecord // what a bucket writes at once
	maxBuckets  = 1024
	bucketBytes = 1 << 20 // what buckets are meant to hold
)

// A spill sorts the entries of a matrix by rows with bounded memory: entries
// come column by column, go to the bucket of their row in a temporary file,
// and are counted into rows when a bucket is read. It is not safe for
// concurrent use.
type spill struct {
	file    *os.File
	remove  bool // the file still has its name
	first   int  // first row
	last    int  // row after the last one
	height  int  // rows per bucket
	buckets []bucket
	end     int64
	scratch []byte
}

type bucket struct {
	buf    []byte
	blocks []spillRange
}

type spillRange struct {
	at   int64
	size int
}

// newSpill makes a spill for rows first to last that will hold about n
// entries.
func (f *File) newSpill(first, last int, n int64) (*spill, error) {
	file, named, err := createPassing(f.tempDir, "anndata-", ".rows")
	if err != nil {
		return nil, fmt.Errorf("%s: temporary file for rows: %v", f.path, err) //nolint:errorlint // a missing temporary folder must not pass for a missing input
	}
	buckets := min(max(1, n*spillRecord/bucketBytes), maxBuckets, int64(max(1, last-first)))
	s := &spill{file: file, first: first, last: last, remove: named}
	s.height = max(1, (last-first+int(buckets)-1)/int(buckets))
	s.buckets = make([]bucket, max(1, (last-first+s.height-1)/s.height))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spills = append(f.spills, s)
	return s, nil
}

// sorting waits until no one else uses the matrix's spill.
func (m *Matrix) sorting(ctx context.Context) (release func(), err error) {
	select {
	case m.sorter <- struct{}{}:
		return func() { <-m.sorter }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// drop closes a spill that is no longer needed.
func (f *File) drop(s *spill) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spills = slices.DeleteFunc(f.spills, func(x *spill) bool { return x == s })
	// Nothing of it is wanted any more, whatever closing says.
	_ = s.Close()
}

func (s *spill) add(row int, column int32, value float32) error {
	b := &s.buckets[(row-s.first)/s.height]
	if b.buf == nil {
		b.buf = make([]byte, 0, spillBlock)
	}
	b.buf = binary.LittleEndian.AppendUint32(b.buf, uint32(row-s.first))
	b.buf = binary.LittleEndian.AppendUint32(b.buf, uint32(column))
	b.buf = binary.LittleEndian.AppendUint32(b.buf, math.Float32bits(value))
	if len(b.buf) == spillBlock {
		return s.write(b)
	}
	return nil
}

func (s *spill) write(b *bucket) error {
	if _, err := s.file.WriteAt(b.buf, s.end); err != nil {
		return fmt.Errorf("temporary file for rows: %v", err) //nolint:errorlint // a missing temporary folder must not pass for a missing input
	}
	b.blocks = append(b.blocks, spillRange{s.end, len(b.buf)})
	s.end += int64(len(b.buf))
	b.buf = b.buf[:0]
	return nil
}

// flush ends the adding.
func (s *spill) flush() error {
	for i := range s.buckets {
		b := &s.buckets[i]
		if len(b.buf) > 0 {
			if err := s.write(b); err != nil {
				return err
			}
		}
		b.buf = nil
	}
	return nil
}

// rowsOf returns rows in CSR form, the entries of each in the order in which
// they were added.
func (s *spill) rowsOf(ctx context.Context, from, to int) (*Block, error) {
	out := &Block{From: from, To: to, Indptr: make([]int64, to-from+1)}
	err := s.entries(ctx, from, to, func(row int, _ int32, _ float32) { out.Indptr[row-from+1]++ })
	if err != nil {
		return nil, err
	}
	for i := range to - from {
		out.Indptr[i+1] += out.Indptr[i]
	}
	n := out.Indptr[to-from]
	out.Indices, out.Values = make([]int32, n), make([]float32, n)
	next := slices.Clone(out.Indptr[:to-from])
	err = s.entries(ctx, from, to, func(row int, column int32, value float32) {
		at := next[row-from]
		out.Indices[at], out.Values[at] = column, value
		next[row-from]++
	})
	return out, err
}

// entries calls each with the entries of the rows.
func (s *spill) entries(ctx context.Context, from, to int, each func(row int, column int32, value float32)) error {
	if from == to {
		return nil
	}
	if s.scratch == nil {
		s.scratch = make([]byte, spillBlock)
	}
	for _, b := range s.buckets[(from-s.first)/s.height : (to-1-s.first)/s.height+1] {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, r := range b.blocks {
			buf := s.scratch[:r.size]
			if _, err := s.file.ReadAt(buf, r.at); err != nil {
				return fmt.Errorf("temporary file for rows: %v", err) //nolint:errorlint // a missing temporary folder must not pass for a missing input
			}
			for ; len(buf) > 0; buf = buf[spillRecord:] {
				row := s.first + int(binary.LittleEndian.Uint32(buf))
				if row >= from && row < to {
					each(row, int32(binary.LittleEndian.Uint32(buf[4:])), math.Float32frombits(binary.LittleEndian.Uint32(buf[8:])))
				}
			}
		}
	}
	return nil
}

// Close removes the file.
func (s *spill) Close() error {
	err := s.file.Close()
	if s.remove {
		err = errors.Join(err, os.Remove(s.file.Name()))
	}
	return err
}
