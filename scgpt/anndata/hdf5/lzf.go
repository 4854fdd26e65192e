package hdf5

import "encoding/binary"

// decodeLZF decodes the LZF compression of h5py's filter 32000: runs of
// literals, and references of at most 264 bytes to at most 8 KiB before. What it
// decodes to is appended to dst, of limit bytes at most in all.
func decodeLZF(dst, src []byte, limit int) ([]byte, error) {
	out := len(dst)
	grow := func(n int) {
		if need := out + n + lzfSlack; need > len(dst) {
			more := make([]byte, max(need, min(2*len(dst), limit+lzfSlack)))
			copy(more, dst[:out])
			dst = more
		}
	}
	dst = dst[:cap(dst)]
	for i := 0; i < len(src); {
		c := int(src[i])
		i++
		if c < 32 {
			n := c + 1
			if n > len(src)-i {
				return nil, corrupt("lzf: a literal runs beyond its chunk")
			}
			if n > limit-out {
				return nil, corrupt("lzf: a chunk decodes to more than %d bytes", limit)
			}
			grow(n)
			if len(src)-i >= n+lzfSlack {
				// Whole words, of which those behind the run are overwritten.
				for k := 0; k < n; k += 8 {
					binary.LittleEndian.PutUint64(dst[out+k:], binary.LittleEndian.Uint64(src[i+k:]))
				}
			} else {
				copy(dst[out:], src[i:i+n])
			}
			out += n
			i += n
			continue
		}
		n := c >> 5
		if n == 7 {
			if i == len(src) {
				return nil, corrupt("lzf: a chunk ends early")
			}
			n += int(src[i])
			i++
		}
		if i == len(src) {
			return nil, corrupt("lzf: a chunk ends early")
		}
		distance := (c&31)<<8 + int(src[i]) + 1
		i++
		n += 2
		from := out - distance
		if from < 0 {
			return nil, corrupt("lzf: a reference before the start of its chunk")
		}
		if n > limit-out {
			return nil, corrupt("lzf: a chunk decodes to more than %d bytes", limit)
		}
		grow(n)
		// Source and destination may overlap: what was just written repeats.
		if distance >= 8 {
			for k := 0; k < n; k += 8 {
				binary.LittleEndian.PutUint64(dst[out+k:], binary.LittleEndian.Uint64(dst[from+k:]))
			}
		} else {
			for k := range n {
				dst[out+k] = dst[from+k]
			}
		}
		out += n
	}
	return dst[:out], nil
}

// lzfSlack is how far whole words may reach beyond what is to be written.
const lzfSlack = 8
