package hdf5

import (
	"math"
	"math/bits"
)

// A dataspace is the shape of a dataset or an attribute. The shape of a single
// value is empty; null means no value at all.
type dataspace struct {
	dims []uint64
	max  []uint64 // nil when equal to dims; undefined where unlimited
	null bool
}

func (f *File) parseDataspace(b []byte) (dataspace, error) {
	var s dataspace
	d := f.decoder(b)
	version, rank, flags := d.u8(), d.u8(), d.u8()
	switch version {
	case 1:
		d.skip(5)
	case 2:
		s.null = d.u8() == 2
	default:
		d.fail("dataspace version %d", version)
	}
	if rank > 32 {
		d.fail("%d dimensions; at most 32 are possible", rank)
	}
	if d.err != nil {
		return s, d.err
	}
	for range rank {
		s.dims = append(s.dims, d.length())
	}
	if flags&1 != 0 {
		for i := range rank {
			n := d.length()
			if d.lenSize < 8 && n == 1<<(8*d.lenSize)-1 {
				n = undefined
			}
			s.max = append(s.max, n)
			if d.err == nil && n < s.dims[i] {
				d.fail("dimension %d has length %d, its limit is %d", i, s.dims[i], n)
			}
		}
	}
	return s, d.err
}

// count returns the number of elements.
func (s dataspace) count() (uint64, error) {
	if s.null {
		return 0, nil
	}
	n, ok := product(s.dims)
	if !ok {
		return 0, corrupt("a shape of %v has too many elements", s.dims)
	}
	return n, nil
}

// product multiplies lengths; ok is false where it passes the range of int64.
// A zero wins over any overflow.
func product(dims []uint64) (n uint64, ok bool) {
	n, ok = 1, true
	for _, d := range dims {
		if d == 0 {
			return 0, true
		}
		hi, lo := bits.Mul64(n, d)
		if hi != 0 || lo > math.MaxInt64 {
			ok = false
		}
		n = lo
	}
	return n, ok
}
