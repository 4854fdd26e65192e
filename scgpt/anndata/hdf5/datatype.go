package hdf5

import (
	"bytes"
	"fmt"
	"math/bits"
)

// A Class is the class of a datatype, numbered as in the file.
type Class int

// The classes of datatypes.
const (
	ClassInt       Class = 0
	ClassFloat     Class = 1
	ClassTime      Class = 2
	ClassString    Class = 3 // of fixed length
	ClassBitfield  Class = 4
	ClassOpaque    Class = 5
	ClassCompound  Class = 6
	ClassReference Class = 7
	ClassEnum      Class = 8
	ClassVarLen    Class = 9 // texts when VarString is true
	ClassArray     Class = 10
	ClassComplex   Class = 11
)

var classNames = [...]string{"integer", "float", "time", "fixed-length string", "bitfield", "opaque",
	"compound", "reference", "enumeration", "variable-length", "array", "complex"}

// String returns the name of the class.
func (c Class) String() string {
	if c >= 0 && int(c) < len(classNames) {
		return classNames[c]
	}
	return fmt.Sprintf("class %d", int(c))
}

// A Datatype describes the elements of a dataset or an attribute.
type Datatype struct {
	Class     Class
	Size      int // bytes of an element
	BigEndian bool
	Signed    bool // of integers
	UTF8      bool // of texts
	SpacePad  bool // fixed-length texts padded with spaces
	VarString bool // variable-length texts
	// ObjectReference is true of references to whole objects.
	ObjectReference bool

	Base    *Datatype // of enumerations, variable-length sequences and arrays
	Dims    []int     // of arrays
	Members []Member  // of compounds
	Values  []Value   // of enumerations

	ieee    bool   // floats: laid out as in IEEE 754
	encoded []byte // the message
}

// A Member is one field of a compound datatype.
type Member struct {
	Name   string
	Offset int
	Type   *Datatype
}

// A Value is one named value of an enumeration.
type Value struct {
	Name string
	Raw  []byte
}

// Text reports whether the elements are texts of either kind.
func (t *Datatype) Text() bool { return t.Class == ClassString || t.VarString }

// Bool reports whether the type is an enumeration of FALSE and TRUE, which is
// how Python's h5py stores booleans.
func (t *Datatype) Bool() bool {
	return t.Class == ClassEnum && t.Size == 1 && len(t.Values) == 2 &&
		t.Values[0].Name == "FALSE" && t.Values[1].Name == "TRUE"
}

// Numeric reports whether elements convert to numbers.
func (t *Datatype) Numeric() bool {
	switch t.Class {
	case ClassInt, ClassBitfield:
		return t.Size == 1 || t.Size == 2 || t.Size == 4 || t.Size == 8
	case ClassFloat:
		return t.ieee
	case ClassEnum:
		return t.Base.Numeric()
	}
	return false
}

// Integer reports whether elements are whole numbers, enumerations included.
func (t *Datatype) Integer() bool { return t.Numeric() && t.Class != ClassFloat }

// String names the type as NumPy does where it has a name ("float32"), else
// by its class.
func (t *Datatype) String() string {
	switch {
	case t.Bool():
		return "bool"
	case t.Class == ClassInt && t.Signed:
		return fmt.Sprintf("int%d", 8*t.Size)
	case t.Class == ClassInt || t.Class == ClassBitfield:
		return fmt.Sprintf("uint%d", 8*t.Size)
	case t.Class == ClassFloat:
		return fmt.Sprintf("float%d", 8*t.Size)
	case t.VarString:
		return "string"
	case t.Class == ClassEnum:
		return "enumeration of " + t.Base.String()
	case t.Class == ClassVarLen || t.Class == ClassArray:
		return t.Class.String() + " of " + t.Base.String()
	}
	return t.Class.String()
}

// parseDatatype reads a datatype message ("The Datatype Message").
func (f *File) parseDatatype(b []byte) (*Datatype, error) {
	d := f.decoder(b)
	t := d.datatype(0)
	if d.err != nil {
		return nil, d.err
	}
	return t, nil
}

func (d *decoder) datatype(depth int) *Datatype {
	start := d.pos
	cv := d.u8()
	var bitsField [3]byte
	copy(bitsField[:], d.take(3))
	t := &Datatype{Class: Class(cv & 15), Size: int(d.u32())}
	version := cv >> 4
	if d.err == nil && (version < 1 || version > 5 || depth > 16) {
		d.fail("datatype version %d, nested %d deep", version, depth)
	}
	if d.err == nil && t.Size == 0 && t.Class != ClassString && t.Class != ClassOpaque {
		d.fail("%v datatype of 0 bytes", t.Class)
	}
	if d.err != nil {
		return t
	}
	flags := bitsField[0]
	count := int(bitsField[0]) | int(bitsField[1])<<8
	t.BigEndian = flags&1 != 0
	switch t.Class {
	case ClassInt, ClassBitfield:
		t.Signed = t.Class == ClassInt && flags&8 != 0
		d.skip(4)
	case ClassFloat:
		t.ieee = d.float(t.Size, flags, int(bitsField[1]))
	case ClassTime:
		d.skip(2)
	case ClassString:
		t.BigEndian = false
		t.SpacePad = flags&15 == 2
		t.UTF8 = flags>>4 == 1
	case ClassOpaque:
		d.skip(count & 0xff)
	case ClassCompound:
		d.members(t, count, version, depth)
	case ClassReference:
		t.BigEndian = false
		t.ObjectReference = flags&15 == 0 && t.Size == d.addrSize
	case ClassEnum:
		d.enumeration(t, count, version, depth)
	case ClassVarLen:
		t.BigEndian = false
		t.VarString = flags&15 == 1
		t.UTF8 = bitsField[1]&15 == 1
		t.Base = d.datatype(depth + 1)
		if d.err == nil && t.Size != 8+d.addrSize {
			d.fail("variable-length datatype of %d bytes", t.Size)
		}
	case ClassArray:
		d.array(t, version, depth)
	case ClassComplex:
		t.Base = d.datatype(depth + 1)
	default:
		d.fail("datatype of %v", t.Class)
	}
	if d.err == nil {
		t.encoded = d.buf[start:d.pos:d.pos]
	}
	return t
}

// float reads the bit layout of a float and reports whether it is that of
// IEEE 754 half, single or double precision.
func (d *decoder) float(size int, flags byte, sign int) bool {
	offset, precision := d.u16(), d.u16()
	expPos, expSize, manPos, manSize := d.u8(), d.u8(), d.u8(), d.u8()
	bias := d.u32()
	want := map[int][4]int{2: {10, 5, 10, 15}, 4: {23, 8, 23, 127}, 8: {52, 11, 52, 1023}}[size]
	return flags&0x40 == 0 && offset == 0 && precision == 8*size && sign == 8*size-1 && manPos == 0 &&
		[4]int{expPos, expSize, manSize, int(bias)} == want
}

// name reads a text that ends with a zero byte, padded to 8 bytes before
// version 3.
func (d *decoder) name(version int) string {
	if d.err != nil {
		return ""
	}
	start := d.pos
	n := bytes.IndexByte(d.buf[d.pos:], 0)
	if n < 0 {
		d.fail("name without an end")
		return ""
	}
	s := string(d.take(n + 1)[:n])
	if version < 3 {
		d.align(start)
	}
	return s
}

func (d *decoder) members(t *Datatype, count, version, depth int) {
	for range count {
		m := Member{Name: d.name(version)}
		if version < 3 {
			m.Offset = int(d.u32())
		} else {
			m.Offset = int(d.uint(max(1, (bits.Len(uint(t.Size))+7)/8)))
		}
		rank := 0
		var dims [4]int
		if version == 1 {
			rank = d.u8()
			d.skip(3 + 4 + 4)
			for i := range dims {
				dims[i] = int(d.u32())
			}
		}
		m.Type = d.datatype(depth + 1)
		if d.err != nil {
			return
		}
		if rank > 0 && rank <= 4 {
			m.Type = arrayOf(m.Type, dims[:rank])
		}
		if m.Type == nil || m.Offset > t.Size || m.Type.Size > t.Size-m.Offset {
			d.fail("field %q does not fit in its compound of %d bytes", m.Name, t.Size)
			return
		}
		t.Members = append(t.Members, m)
	}
}

// arrayOf describes the array that a version 1 compound declares in place. It
// returns nil when the size overflows.
func arrayOf(base *Datatype, dims []int) *Datatype {
	size := base.Size
	for _, n := range dims {
		if size *= n; n < 0 || size > 1<<31 {
			return nil
		}
	}
	return &Datatype{Class: ClassArray, Size: size, Base: base, Dims: dims}
}

func (d *decoder) enumeration(t *Datatype, count, version, depth int) {
	t.Base = d.datatype(depth + 1)
	if d.err != nil {
		return
	}
	if t.Base.Class != ClassInt || t.Base.Size != t.Size {
		d.fail("enumeration of %d bytes over %v of %d", t.Size, t.Base.Class, t.Base.Size)
		return
	}
	t.BigEndian, t.Signed = t.Base.BigEndian, t.Base.Signed
	for range count {
		t.Values = append(t.Values, Value{Name: d.name(version)})
		if d.err != nil {
			return
		}
	}
	for i := range t.Values {
		t.Values[i].Raw = d.take(t.Size)
	}
}

func (d *decoder) array(t *Datatype, version, depth int) {
	rank := d.u8()
	if version < 3 {
		d.skip(3)
	}
	size := 1
	for range rank {
		n := int(d.u32())
		t.Dims = append(t.Dims, n)
		if size *= n; size > 1<<31 {
			d.fail("array datatype is too large")
		}
		if d.err != nil {
			return
		}
	}
	if version < 3 {
		d.skip(4 * rank)
	}
	t.Base = d.datatype(depth + 1)
	if d.err == nil && size*t.Base.Size != t.Size {
		d.fail("array datatype of %d bytes holds %d elements of %d", t.Size, size, t.Base.Size)
	}
}
