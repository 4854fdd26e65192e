package hdf5

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// Filter numbers, as registered with the HDF Group.
const (
	FilterDeflate    = 1
	FilterShuffle    = 2
	FilterFletcher32 = 3
	FilterLZF        = 32000
	FilterZstd       = 32015
)

// filterNames are those of filters known but not read, for errors.
var filterNames = map[int]string{4: "szip", 5: "nbit", 6: "scaleoffset", 307: "bzip2", 32001: "blosc",
	32004: "lz4", 32008: "bitshuffle", 32013: "zfp", 32026: "blosc2"}

// A Filter is one step that chunks passed on their way into the file.
type Filter struct {
	ID     int
	Params []uint32
}

// parseFilters reads a filter pipeline message.
func (f *File) parseFilters(b []byte) ([]Filter, error) {
	d := f.decoder(b)
	version, n := d.u8(), d.u8()
	if d.err == nil && version != 1 && version != 2 {
		return nil, unsupported("filter pipeline version %d", version)
	}
	if version == 1 {
		d.skip(6)
	}
	if n > 32 {
		d.fail("a pipeline of %d filters; at most 32 are possible", n)
	}
	var out []Filter
	for range n {
		x := Filter{ID: d.u16()}
		nameSize := 0
		if version == 1 || x.ID >= 256 {
			nameSize = d.u16()
		}
		d.skip(2) // whether the filter may be left out
		params := d.u16()
		d.skip(nameSize)
		if version == 1 {
			d.skip(-nameSize & 7)
		}
		for range params {
			x.Params = append(x.Params, d.u32())
			if d.err != nil {
				return nil, d.err
			}
		}
		if version == 1 && params%2 == 1 {
			d.skip(4)
		}
		out = append(out, x)
	}
	return out, d.err
}

// checkFilters reports the first filter that cannot be undone.
func checkFilters(filters []Filter) error {
	for _, x := range filters {
		switch x.ID {
		case FilterDeflate, FilterShuffle, FilterFletcher32, FilterLZF, FilterZstd:
		default:
			name := filterNames[x.ID]
			if name != "" {
				name = " (" + name + ")"
			}
			return unsupported("filter %d%s", x.ID, name)
		}
	}
	return nil
}

// steps are memory for what filters give, in turn: a filter's source is what the
// one before gave.
type steps [2][]byte

// next returns n bytes that hold anything.
func (s *steps) next(n int) []byte {
	s[0], s[1] = s[1], s[0]
	if cap(s[0]) < n {
		s[0] = make([]byte, n)
	}
	return s[0][:n]
}

// unfilter undoes the filters of a chunk that are not masked out. The result
// has exactly size bytes and may be src itself, or lie in the memory of room. What
// an inner step gives is bounded too: no filter adds more than an eighth.
func unfilter(filters []Filter, mask uint32, src []byte, room *steps, size, elemSize int) ([]byte, error) {
	var err error
	for i := len(filters) - 1; i >= 0; i-- {
		if mask>>i&1 != 0 {
			continue
		}
		limit := size
		if i > 0 {
			limit += size/8 + 1024
		}
		x := filters[i]
		switch x.ID {
		case FilterDeflate:
			src, err = inflate(room.next(min(limit, 1032*len(src))), src) // deflate expands at most 1032 times
		case FilterShuffle:
			width := elemSize
			if len(x.Params) > 0 {
				width = int(x.Params[0])
			}
			src = unshuffle(room, src, width)
		case FilterFletcher32:
			n := len(src) - 4
			if n < 0 {
				return nil, corrupt("fletcher32: a chunk of %d bytes", len(src))
			}
			if sum, got := binary.LittleEndian.Uint32(src[n:]), fletcher32(src[:n]); sum != got {
				return nil, corrupt("fletcher32: checksum is %#x, the chunk gives %#x", sum, got)
			}
			src = src[:n]
		case FilterLZF:
			src, err = decodeLZF(room.next(min(limit, 128*len(src)) + lzfSlack)[:0], src, limit)
		case FilterZstd:
			src, err = unzstd(room, src, limit)
		default:
			err = checkFilters(filters)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(src) != size {
		return nil, corrupt("a chunk decodes to %d bytes, want %d", len(src), size)
	}
	return src, nil
}

var inflaters sync.Pool

// inflate decodes a zlib stream into dst, which has room for what it may hold.
func inflate(dst, src []byte) ([]byte, error) {
	in := bytes.NewReader(src)
	r, _ := inflaters.Get().(io.ReadCloser)
	var err error
	if r == nil {
		r, err = zlib.NewReader(in)
	} else {
		err = r.(zlib.Resetter).Reset(in, nil)
	}
	if err != nil {
		return nil, corrupt("deflate: %v", err)
	}
	defer inflaters.Put(r)
	n, err := io.ReadFull(r, dst)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, corrupt("deflate: %v", err)
	}
	if err == nil {
		// The end of the stream holds its checksum.
		var more [1]byte
		if k, err := io.ReadFull(r, more[:]); k > 0 {
			return nil, corrupt("deflate: a chunk decodes to more than %d bytes", len(dst))
		} else if err != io.EOF {
			return nil, corrupt("deflate: %v", err)
		}
	}
	return dst[:n], nil
}

var zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(4<<30))
})

// unzstd decodes one zstd frame of at most limit bytes.
func unzstd(room *steps, src []byte, limit int) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(src); err != nil {
		return nil, corrupt("zstd: %v", err)
	}
	if !h.HasFCS || h.FrameContentSize > uint64(limit) {
		return nil, corrupt("zstd: a frame of %d bytes, at most %d fit", h.FrameContentSize, limit)
	}
	z, err := zstdDecoder()
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	out, err := z.DecodeAll(src, room.next(int(h.FrameContentSize))[:0])
	if err != nil {
		return nil, corrupt("zstd: %v", err)
	}
	return out, nil
}

// unshuffle puts the bytes of elements together again: src holds all first
// bytes, then all second ones, and so on, then what does not fill an element.
func unshuffle(room *steps, src []byte, width int) []byte {
	if width <= 1 || len(src) < width {
		return src
	}
	n := len(src) / width
	dst := room.next(len(src))
	copy(dst[n*width:], src[n*width:])
	switch width {
	case 4:
		a, b, c, d := src[:n], src[n:2*n], src[2*n:3*n], src[3*n:4*n]
		for i := range n {
			binary.LittleEndian.PutUint32(dst[4*i:], uint32(a[i])|uint32(b[i])<<8|uint32(c[i])<<16|uint32(d[i])<<24)
		}
	default:
		for j := range width {
			for i, v := range src[j*n : (j+1)*n] {
				dst[i*width+j] = v
			}
		}
	}
	return dst
}
