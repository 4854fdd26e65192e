package torchtest

import (
	"bytes"
	"encoding/binary"
)

// Program builds a pickle of protocol 2.
type Program struct{ bytes.Buffer }

// NewProgram begins one.
func NewProgram() *Program {
	p := &Program{}
	p.Op(0x80, 2)
	return p
}

// Op appends opcodes and their bytes as they are.
func (p *Program) Op(b ...byte) *Program {
	p.Write(b)
	return p
}

// Global pushes a global name.
func (p *Program) Global(module, name string) *Program {
	p.WriteString("c" + module + "\n" + name + "\n")
	return p
}

// String pushes a string.
func (p *Program) String(s string) *Program {
	p.Op('X')
	p.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(s))))
	p.WriteString(s)
	return p
}

// Int pushes an integer in the shortest way.
func (p *Program) Int(n int64) *Program {
	switch {
	case 0 <= n && n < 1<<8:
		return p.Op('K', byte(n))
	case 0 <= n && n < 1<<16:
		return p.Op('M', byte(n), byte(n>>8))
	case -1<<31 <= n && n < 1<<31:
		p.Op('J')
		p.Write(binary.LittleEndian.AppendUint32(nil, uint32(n)))
		return p
	}
	p.Op(0x8a, 8)
	p.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	return p
}

// Ints pushes a tuple of integers.
func (p *Program) Ints(ns []int) *Program {
	p.Op('(')
	for _, n := range ns {
		p.Int(int64(n))
	}
	return p.Op('t')
}

// OrderedDict pushes an empty one.
func (p *Program) OrderedDict() *Program {
	return p.Global("collections", "OrderedDict").Op(')', 'R')
}

// Storage pushes the storage that the archive holds under key.
func (p *Program) Storage(class, key string, elements int) *Program {
	p.Op('(').String("storage").Global("torch", class).String(key).String("cuda:0").Int(int64(elements))
	return p.Op('t', 'Q')
}

// Tensor pushes a view of a storage.
func (p *Program) Tensor(t Tensor) *Program {
	if t.Parameter {
		p.Global("torch._utils", "_rebuild_parameter").Op('(')
	}
	p.Global("torch._utils", "_rebuild_tensor_v2").Op('(')
	p.Storage(t.Class, t.Key, t.Elements).Int(int64(t.Offset)).Ints(t.Shape).Ints(t.Stride).Op(0x89).OrderedDict()
	p.Op('t', 'R')
	if t.Parameter {
		p.Op(0x89).OrderedDict().Op('t', 'R')
	}
	return p
}

// Stop ends the program and returns it.
func (p *Program) Stop() []byte { return p.Op('.').Bytes() }
