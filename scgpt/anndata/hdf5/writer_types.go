package hdf5

// The datatypes that a Writer writes. They must not be changed.
var (
	TypeInt8    = intType(1, true)
	TypeInt16   = intType(2, true)
	TypeInt32   = intType(4, true)
	TypeInt64   = intType(8, true)
	TypeUint8   = intType(1, false)
	TypeFloat32 = floatType(4, 23, 8, 127)
	TypeFloat64 = floatType(8, 52, 11, 1023)
	// TypeBool is an enumeration of FALSE and TRUE, as h5py writes booleans.
	TypeBool = boolType()
	// TypeString is a text of variable length in UTF-8.
	TypeString = stringType()
)

func newType(encoded []byte) *Datatype {
	d := &decoder{buf: encoded, addrSize: 8, lenSize: 8}
	return d.datatype(0)
}

func typeHead(e *encoder, class Class, size int, flags ...byte) {
	e.bytes(0x10 | byte(class))
	e.bytes(flags...)
	e.u32(uint32(size))
}

func intType(size int, signed bool) *Datatype {
	e := &encoder{}
	var flags byte
	if signed {
		flags = 8
	}
	typeHead(e, ClassInt, size, flags, 0, 0)
	e.u16(0)
	e.u16(8 * size)
	return newType(e.buf)
}

func floatType(size, mantissa, exponent, bias int) *Datatype {
	e := &encoder{}
	typeHead(e, ClassFloat, size, 0x20, byte(8*size-1), 0)
	e.u16(0)
	e.u16(8 * size)
	e.bytes(byte(mantissa), byte(exponent), 0, byte(mantissa))
	e.u32(uint32(bias))
	return newType(e.buf)
}

func boolType() *Datatype {
	e := &encoder{}
	typeHead(e, ClassEnum, 1, 2, 0, 0)
	e.bytes(TypeInt8.encoded...)
	e.text("FALSE\x00\x00\x00TRUE\x00\x00\x00\x00")
	e.bytes(0, 1)
	return newType(e.buf)
}

func stringType() *Datatype {
	e := &encoder{}
	typeHead(e, ClassVarLen, 16, 1, 1, 0)
	typeHead(e, ClassInt, 1, 0, 0, 0)
	e.u16(0)
	e.u16(8)
	return newType(e.buf)
}

// encodeSpace encodes a dataspace of version 2; an empty shape is a single
// value.
func encodeSpace(shape []int, null bool) []byte {
	e := &encoder{}
	switch {
	case null:
		e.bytes(2, 0, 0, 2)
	case len(shape) == 0:
		e.bytes(2, 0, 0, 0)
	default:
		e.bytes(2, byte(len(shape)), 0, 1)
		for _, n := range shape {
			e.u64(uint64(n))
		}
	}
	return e.buf
}
