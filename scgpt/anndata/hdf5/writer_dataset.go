package hdf5

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/zlib"
)

// chunkTarget is about how many bytes a chunk of a new dataset has.
const chunkTarget = 1 << 20

// A DatasetSpec describes a dataset to write.
type DatasetSpec struct {
	Type *Datatype
	// Shape is empty for a single value.
	Shape []int
	// Null declares a dataset without any value.
	Null bool
	// Deflate is the level of compression, 1 to 9; 0 stores the data as they
	// are, in one piece.
	Deflate int
	// ChunkBytes is about how much a compressed chunk holds; 0 means 1 MiB.
	// A chunk has whole rows.
	ChunkBytes int
	Attrs      []Attr
}

// A DatasetWriter takes the elements of a dataset in order. Nothing else may
// be written before it is closed.
type DatasetWriter struct {
	w        *Writer
	spec     DatasetSpec
	left     int // bytes still to come
	start    uint64
	rowBytes int

	chunk  []byte // chunk being filled
	height int    // rows of a chunk, 0 without chunks
	chunks []chunkEntry
	zip    *zlib.Writer
	zipped bytes.Buffer
}

type chunkEntry struct {
	row  int
	addr uint64
	size int
}

// NewDataset begins a dataset.
func (w *Writer) NewDataset(spec DatasetSpec) (*DatasetWriter, error) {
	d := &DatasetWriter{w: w, spec: spec, rowBytes: spec.Type.Size}
	n := spec.Type.Size
	for i, x := range spec.Shape {
		if x < 0 || (x > 0 && n > (1<<62)/x) {
			return nil, w.fail("a dataset of shape %v", spec.Shape)
		}
		n *= x
		if i > 0 {
			d.rowBytes *= x
		}
	}
	if spec.Null {
		n = 0
	}
	d.left = n
	if spec.Deflate > 0 && len(spec.Shape) > 0 && n > 0 {
		target := spec.ChunkBytes
		if target <= 0 {
			target = chunkTarget
		}
		d.height = min(max(1, target/d.rowBytes), spec.Shape[0])
		if d.height*d.rowBytes > maxChunk {
			return nil, w.fail("rows of %d bytes are too long for a chunk", d.rowBytes)
		}
		d.chunk = make([]byte, 0, d.height*d.rowBytes)
		var err error
		if d.zip, err = zlib.NewWriterLevel(&d.zipped, min(spec.Deflate, 9)); err != nil {
			return nil, w.fail("deflate: %v", err)
		}
	}
	w.align()
	d.start = w.end
	return d, w.err
}

// Write takes the next elements, little-endian and row after row.
func (d *DatasetWriter) Write(p []byte) (int, error) {
	if len(p) > d.left {
		return 0, d.w.fail("%d bytes too many for a dataset of shape %v", len(p)-d.left, d.spec.Shape)
	}
	d.left -= len(p)
	if d.height == 0 {
		d.w.append(p)
		return len(p), d.w.err
	}
	for rest := p; len(rest) > 0; {
		n := min(len(rest), cap(d.chunk)-len(d.chunk))
		d.chunk = append(d.chunk, rest[:n]...)
		rest = rest[n:]
		if len(d.chunk) == cap(d.chunk) {
			if err := d.seal(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

// seal writes the chunk being filled.
func (d *DatasetWriter) seal() error {
	// The last chunk is stored whole.
	full := d.chunk[:cap(d.chunk)]
	clear(full[len(d.chunk):])
	d.zipped.Reset()
	d.zip.Reset(&d.zipped)
	if _, err := d.zip.Write(shuffle(full, d.spec.Type.Size)); err != nil {
		return d.w.fail("deflate: %v", err)
	}
	if err := d.zip.Close(); err != nil {
		return d.w.fail("deflate: %v", err)
	}
	addr := d.w.append(d.zipped.Bytes())
	d.chunks = append(d.chunks, chunkEntry{row: len(d.chunks) * d.height, addr: addr, size: d.zipped.Len()})
	d.chunk = d.chunk[:0]
	return d.w.err
}

// Close writes the header of the dataset, all of whose elements must have come.
func (d *DatasetWriter) Close() (Ref, error) {
	if d.left > 0 {
		return 0, d.w.fail("%d bytes are missing of a dataset of shape %v", d.left, d.spec.Shape)
	}
	if len(d.chunk) > 0 {
		if err := d.seal(); err != nil {
			return 0, err
		}
	}
	messages := []message{
		{kind: msgDataspace, body: encodeSpace(d.spec.Shape, d.spec.Null)},
		{kind: msgDatatype, flags: 1, body: d.spec.Type.encoded},
	}
	layout := &encoder{}
	if d.height == 0 {
		size := d.w.end - d.start
		addr := d.start
		if size == 0 {
			addr = undefined
		}
		layout.bytes(3, storedContiguous)
		layout.u64(addr)
		layout.u64(size)
		messages = append(messages, message{kind: msgFill, body: []byte{3, 0x0A}})
	} else {
		tree := d.w.chunkTree(d.chunks, len(d.spec.Shape), d.height)
		layout.bytes(3, storedChunked, byte(len(d.spec.Shape)+1))
		layout.u64(tree)
		layout.u32(uint32(d.height))
		for _, n := range d.spec.Shape[1:] {
			layout.u32(uint32(n))
		}
		layout.u32(uint32(d.spec.Type.Size))
		filters := &encoder{}
		filters.bytes(2, 2)
		for _, x := range []Filter{{FilterShuffle, []uint32{uint32(d.spec.Type.Size)}}, {FilterDeflate, []uint32{uint32(d.spec.Deflate)}}} {
			filters.u16(x.ID)
			filters.u16(1)
			filters.u16(1)
			filters.u32(x.Params[0])
		}
		messages = append(messages, message{kind: msgFill, body: []byte{3, 0x0B}}, message{kind: msgFilters, body: filters.buf})
	}
	messages = append(messages, message{kind: msgLayout, body: layout.buf})
	for _, a := range d.spec.Attrs {
		m, err := d.w.attrMessage(a)
		if err != nil {
			return 0, err
		}
		messages = append(messages, m)
	}
	return d.w.header(0, messages)
}

// shuffle is the inverse of unshuffle.
func shuffle(src []byte, width int) []byte {
	if width <= 1 {
		return src
	}
	n := len(src) / width
	dst := make([]byte, len(src))
	for j := range width {
		plane := dst[j*n : (j+1)*n]
		for i := range plane {
			plane[i] = src[i*width+j]
		}
	}
	copy(dst[n*width:], src[n*width:])
	return dst
}

// Dataset writes a dataset whose elements are in memory.
func (w *Writer) Dataset(spec DatasetSpec, data []byte) (Ref, error) {
	d, err := w.NewDataset(spec)
	if err != nil {
		return 0, err
	}
	if _, err := d.Write(data); err != nil {
		return 0, err
	}
	return d.Close()
}

// Strings writes a dataset of texts; an empty shape takes one.
func (w *Writer) Strings(spec DatasetSpec, values []string) (Ref, error) {
	refs, err := w.texts(values)
	if err != nil {
		return 0, err
	}
	spec.Type = TypeString
	ref, err := w.Dataset(spec, refs)
	if err != nil {
		return 0, fmt.Errorf("texts: %w", err)
	}
	return ref, nil
}

// chunkTree writes the version 1 B-tree over the chunks of a dataset, level by
// level, and returns the address of its root.
func (w *Writer) chunkTree(chunks []chunkEntry, rank, height int) uint64 {
	key := func(e *encoder, c chunkEntry) {
		e.u32(uint32(c.size))
		e.u32(0)
		e.u64(uint64(c.row))
		e.zeros(8 * rank)
	}
	most := 2 * w.chunkK
	nodeSize := 24 + (2*w.chunkK+1)*(8+8*(rank+1)) + 2*w.chunkK*8
	// Behind the last key of a level stands one that is beyond all chunks.
	end := chunkEntry{row: chunks[len(chunks)-1].row + height}
	for level := 0; ; level++ {
		nodes := (len(chunks) + most - 1) / most
		w.align()
		first := w.end
		size := uint64(nodeSize+7) &^ 7
		var up []chunkEntry
		for i := range nodes {
			part := chunks[i*most : min((i+1)*most, len(chunks))]
			e := &encoder{}
			e.text("TREE")
			e.bytes(btreeChunk, byte(level))
			e.u16(len(part))
			left, right := undefined, undefined
			if i > 0 {
				left = first + uint64(i-1)*size
			}
			if i < nodes-1 {
				right = first + uint64(i+1)*size
			}
			e.u64(left)
			e.u64(right)
			for _, c := range part {
				key(e, c)
				e.u64(c.addr)
			}
			if i < nodes-1 {
				key(e, chunks[(i+1)*most])
			} else {
				key(e, end)
			}
			e.zeros(int(size) - len(e.buf))
			up = append(up, chunkEntry{row: part[0].row, size: part[0].size, addr: w.append(e.buf)})
		}
		if nodes == 1 {
			return up[0].addr
		}
		chunks = up
	}
}
