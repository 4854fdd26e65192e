package hdf5

import (
	"bytes"
	"context"
	"runtime"
	"sync"
)

// stripBytes is how much of a contiguous dataset is read at once.
const stripBytes = 1 << 20

// scan calls emit with every element of the rows: raw holds elements as
// stored, of which the first has the number at, counted from the first row
// asked for. Calls come from several goroutines, for runs that do not overlap,
// and raw is valid during the call only.
func (d *Dataset) scan(ctx context.Context, from, to int, emit func(at int, raw []byte) error) error {
	if _, err := d.rowRange(from, to); err != nil {
		return err
	}
	if to == from || d.rowLen == 0 || d.typ.Size == 0 {
		return nil
	}
	if d.layout.class == storedChunked {
		return d.scanChunks(ctx, from, to, emit)
	}
	size := d.typ.Size
	first, n := from*d.rowLen, (to-from)*d.rowLen
	if d.layout.class == storedCompact {
		return emit(0, d.layout.compact[first*size:(first+n)*size])
	}
	strip := max(1, stripBytes/size)
	buf := make([]byte, min(n, strip)*size)
	if d.layout.addr == undefined {
		fillWith(buf, d.fill)
	}
	for at := 0; at < n; at += strip {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := buf[:min(strip, n-at)*size]
		if d.layout.addr != undefined {
			if err := d.obj.file.readInto(b, d.layout.addr+uint64((first+at)*size)); err != nil {
				return err
			}
		}
		if err := emit(at, b); err != nil {
			return err
		}
	}
	return nil
}

// fillWith fills b, which is zero, with copies of a value; nil means zero.
func fillWith(b, value []byte) {
	for n := copy(b, value); n > 0 && n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}

// A chunkScan is one read of rows from a chunked dataset.
type chunkScan struct {
	*Dataset
	table    *chunkTable
	from, to int
	emit     func(at int, raw []byte) error
	grid     []int
	first    int // number of the first chunk
	end      int // number after the last one
	keep     int // chunks to keep in the cache
}

// chunkScan prepares a read of rows, of which there is at least one.
func (d *Dataset) chunkScan(from, to int, emit func(at int, raw []byte) error) (*chunkScan, error) {
	if err := checkFilters(d.filters); err != nil {
		return nil, err
	}
	t, err := d.table()
	if err != nil {
		return nil, err
	}
	s := &chunkScan{Dataset: d, table: t, from: from, to: to, emit: emit}
	for i, c := range d.layout.chunk {
		s.grid = append(s.grid, int(ceilDiv(d.space.dims[i], uint64(c))))
	}
	first, end := d.chunkNumbers(from, to)
	s.first, s.end = int(first), int(end)
	across := s.end - s.first
	if n := (to-1)/d.layout.chunk[0] - from/d.layout.chunk[0] + 1; n > 1 {
		across /= n
	}
	// Chunks at both ends may be taken in part. They are kept when all of them
	// fit, with room for another reader's.
	if most := chunkCacheBytes / d.layout.chunkBytes; across <= most/2 {
		s.keep = min(most, 4*across)
	}
	return s, nil
}

func (d *Dataset) scanChunks(ctx context.Context, from, to int, emit func(at int, raw []byte) error) error {
	s, err := d.chunkScan(from, to, emit)
	if err != nil {
		return err
	}
	workers := min(runtime.GOMAXPROCS(0), s.end-s.first, max(1, (64<<20)/d.layout.chunkBytes))
	if len(d.filters) > 0 && workers > 1 && (to-from)*d.rowLen*d.typ.Size >= 128<<10 {
		return s.parallel(ctx, workers)
	}
	var b chunkBuffers
	for number := s.first; number < s.end; number++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.visit(number, &b); err != nil {
			return err
		}
	}
	return nil
}

// scanStored is scan by one goroutine, in the order of the file's chunks. It
// passes over chunks that were never written, unless they have a fill value.
func (d *Dataset) scanStored(ctx context.Context, from, to int, emit func(at int, raw []byte) error) error {
	if _, err := d.rowRange(from, to); err != nil {
		return err
	}
	if d.layout.class != storedChunked || to == from || d.rowLen == 0 {
		return d.scan(ctx, from, to, emit)
	}
	s, err := d.chunkScan(from, to, emit)
	if err != nil {
		return err
	}
	var b chunkBuffers
	for number := s.first; number < s.end; number++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !s.table.implicit && d.fill == nil {
			next, ok := s.table.next(uint64(number))
			if !ok || next >= uint64(s.end) {
				return nil
			}
			number = int(next)
		}
		if err := s.visit(number, &b); err != nil {
			return err
		}
	}
	return nil
}

// parallel visits the chunks from several goroutines. The first error ends
// all of them.
func (s *chunkScan) parallel(ctx context.Context, workers int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			var b chunkBuffers
			for number := range next {
				if ctx.Err() != nil {
					continue
				}
				if err := s.visit(number, &b); err != nil {
					cancel(err)
				}
			}
		})
	}
	for number := s.first; number < s.end && ctx.Err() == nil; number++ {
		next <- number
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

// chunkBuffers are memory for one chunk after the other: as stored, and decoded.
type chunkBuffers struct {
	stored []byte
	steps
}

// visit decodes a chunk and emits its part of the rows.
func (s *chunkScan) visit(number int, b *chunkBuffers) error {
	rank := len(s.grid)
	origin := make([]int, rank)
	count := make([]int, rank) // elements of the chunk within the dataset
	edge := false
	for axis, rest := rank-1, number; axis >= 0; axis-- {
		c := s.layout.chunk[axis]
		origin[axis] = rest % s.grid[axis] * c
		rest /= s.grid[axis]
		count[axis] = min(c, int(s.space.dims[axis])-origin[axis])
		edge = edge || count[axis] < c
	}
	lo, hi := max(s.from, origin[0]), min(s.to, origin[0]+count[0])
	partial := lo > origin[0] || hi < origin[0]+count[0]

	raw := s.cache.get(uint64(number))
	if raw == nil {
		ref, ok := s.table.find(uint64(number), s.layout.chunkBytes)
		if !ok {
			return s.emitFill(origin, count, lo, hi)
		}
		if ref.size > uint64(s.layout.chunkBytes)+uint64(s.layout.chunkBytes)/8+1024 {
			return corrupt("chunk at %v has %d bytes, but holds only %d", origin, ref.size, s.layout.chunkBytes)
		}
		if uint64(cap(b.stored)) < ref.size {
			b.stored = make([]byte, ref.size)
		}
		raw = b.stored[:ref.size]
		if err := s.obj.file.readInto(raw, ref.addr); err != nil {
			return err
		}
		filters := s.filters
		if edge && s.layout.wholeEdges {
			filters = nil
		}
		var err error
		if raw, err = unfilter(filters, ref.mask, raw, &b.steps, s.layout.chunkBytes, s.typ.Size); err != nil {
			return corrupt("chunk at %v: %v", origin, err)
		}
		if partial && s.keep > 0 {
			s.cache.put(uint64(number), bytes.Clone(raw), s.keep)
		}
	}
	return s.emitChunk(raw, origin, count, lo, hi)
}

// emitChunk emits rows lo to hi of a chunk, run by run along the last axis.
func (s *chunkScan) emitChunk(raw []byte, origin, count []int, lo, hi int) error {
	size := s.typ.Size
	if len(count) == 1 {
		return s.emit(lo-s.from, raw[(lo-origin[0])*size:(hi-origin[0])*size])
	}
	return s.runs(origin, count, lo, hi, func(at, within, n int) error {
		return s.emit(at, raw[within*size:(within+n)*size])
	})
}

// emitFill emits the fill value for a chunk that was never written.
func (s *chunkScan) emitFill(origin, count []int, lo, hi int) error {
	const most = 8192
	size := s.typ.Size
	last := count[len(count)-1]
	if len(count) == 1 {
		last = hi - lo
	}
	b := make([]byte, min(last, most)*size)
	fillWith(b, s.fill)
	emit := func(at, n int) error {
		for i := 0; i < n; i += most {
			if err := s.emit(at+i, b[:min(most, n-i)*size]); err != nil {
				return err
			}
		}
		return nil
	}
	if len(count) == 1 {
		return emit(lo-s.from, hi-lo)
	}
	return s.runs(origin, count, lo, hi, func(at, _, n int) error { return emit(at, n) })
}

// runs enumerates the rows lo to hi of a chunk of two or more dimensions as
// runs of n elements: at counts from the first row asked for, within from the
// start of the chunk.
func (s *chunkScan) runs(origin, count []int, lo, hi int, run func(at, within, n int) error) error {
	rank := len(count)
	place := make([]int, rank-1) // in the chunk, all axes but the last
	place[0] = lo - origin[0]
	for {
		at, within := origin[0]+place[0]-s.from, place[0]
		for axis := 1; axis < rank; axis++ {
			p := 0
			if axis < rank-1 {
				p = place[axis]
			}
			at = at*int(s.space.dims[axis]) + origin[axis] + p
			within = within*s.layout.chunk[axis] + p
		}
		if err := run(at, within, count[rank-1]); err != nil {
			return err
		}
		axis := rank - 2
		for ; axis >= 0; axis-- {
			place[axis]++
			end := count[axis]
			if axis == 0 {
				end = hi - origin[0]
			}
			if place[axis] < end {
				break
			}
			place[axis] = 0
		}
		if axis < 0 {
			return nil
		}
	}
}
