package hdf5

// decodeLZF decodes the LZF compression of h5py's filter 32000: runs of
// literals, and references of at most 264 bytes to at most 8 KiB before.
func decodeLZF(dst, src []byte, limit int) ([]byte, error) {
	for i := 0; i < len(src); {
		c := int(src[i])
		i++
		if c < 32 {
			n := c + 1
			if n > len(src)-i {
				return nil, corrupt("lzf: a literal runs beyond its chunk")
			}
			if n > limit-len(dst) {
				return nil, corrupt("lzf: a chunk decodes to more than %d bytes", limit)
			}
			dst = append(dst, src[i:i+n]...)
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
		from := len(dst) - (c&31)<<8 - int(src[i]) - 1
		i++
		n += 2
		if from < 0 {
			return nil, corrupt("lzf: a reference before the start of its chunk")
		}
		if n > limit-len(dst) {
			return nil, corrupt("lzf: a chunk decodes to more than %d bytes", limit)
		}
		// Source and destination may overlap: what was just written repeats.
		for n > 0 {
			m := min(n, len(dst)-from)
			dst = append(dst, dst[from:from+m]...)
			n -= m
		}
	}
	return dst, nil
}
