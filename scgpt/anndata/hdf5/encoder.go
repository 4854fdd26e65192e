package hdf5

import "encoding/binary"

// An encoder builds one structure with addresses and lengths of 8 bytes.
type encoder struct{ buf []byte }

func (e *encoder) bytes(b ...byte)          { e.buf = append(e.buf, b...) }
func (e *encoder) text(s string)            { e.buf = append(e.buf, s...) }
func (e *encoder) u16(v int)                { e.buf = binary.LittleEndian.AppendUint16(e.buf, uint16(v)) }
func (e *encoder) u32(v uint32)             { e.buf = binary.LittleEndian.AppendUint32(e.buf, v) }
func (e *encoder) u64(v uint64)             { e.buf = binary.LittleEndian.AppendUint64(e.buf, v) }
func (e *encoder) zeros(n int)              { e.buf = append(e.buf, make([]byte, n)...) }
func (e *encoder) align()                   { e.zeros(-len(e.buf) & 7) }
func (e *encoder) checksum()                { e.u32(lookup3(e.buf)) }
func (e *encoder) patch64(at int, v uint64) { binary.LittleEndian.PutUint64(e.buf[at:], v) }
