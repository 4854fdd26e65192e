package hdf5

import (
	"encoding/binary"
	"math/bits"
)

// lookup3 is the metadata checksum: Bob Jenkins' hashlittle with initial value
// zero.
func lookup3(k []byte) uint32 {
	a := 0xdeadbeef + uint32(len(k))
	b, c := a, a
	for len(k) > 12 {
		a += binary.LittleEndian.Uint32(k)
		b += binary.LittleEndian.Uint32(k[4:])
		c += binary.LittleEndian.Uint32(k[8:])

		a = (a - c) ^ bits.RotateLeft32(c, 4)
		c += b
		b = (b - a) ^ bits.RotateLeft32(a, 6)
		a += c
		c = (c - b) ^ bits.RotateLeft32(b, 8)
		b += a
		a = (a - c) ^ bits.RotateLeft32(c, 16)
		c += b
		b = (b - a) ^ bits.RotateLeft32(a, 19)
		a += c
		c = (c - b) ^ bits.RotateLeft32(b, 4)
		b += a

		k = k[12:]
	}
	if len(k) == 0 {
		return c
	}
	var tail [12]byte
	copy(tail[:], k)
	a += binary.LittleEndian.Uint32(tail[:])
	b += binary.LittleEndian.Uint32(tail[4:])
	c += binary.LittleEndian.Uint32(tail[8:])

	c = (c ^ b) - bits.RotateLeft32(b, 14)
	a = (a ^ c) - bits.RotateLeft32(c, 11)
	b = (b ^ a) - bits.RotateLeft32(a, 25)
	c = (c ^ b) - bits.RotateLeft32(b, 16)
	a = (a ^ c) - bits.RotateLeft32(c, 4)
	b = (b ^ a) - bits.RotateLeft32(a, 14)
	c = (c ^ b) - bits.RotateLeft32(b, 24)
	return c
}

// fletcher32 is the checksum of the filter of that name: over big-endian
// 16-bit words, an odd last byte counting as the high one.
func fletcher32(b []byte) uint32 {
	fold := func(s uint32) uint32 { return s&0xffff + s>>16 }
	var s1, s2 uint32
	for len(b) > 1 {
		// 360 words are the most that cannot overflow 32 bits.
		n := min(len(b)/2, 360)
		for i := range n {
			s1 += uint32(binary.BigEndian.Uint16(b[2*i:]))
			s2 += s1
		}
		s1, s2 = fold(s1), fold(s2)
		b = b[2*n:]
	}
	if len(b) == 1 {
		s1 += uint32(b[0]) << 8
		s2 += s1
		s1, s2 = fold(s1), fold(s2)
	}
	return fold(s2)<<16 | fold(s1)
}
