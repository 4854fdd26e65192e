package torch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// What a pickle can make here. Numbers are int64, float64 and bool, strings
// string, None nil.
type (
	// global is a name of the whitelist that REDUCE calls or a storage's
	// persistent id refers to.
	global string
	// tuple is immutable, list grows by APPEND.
	tuple []any
	list  struct{ items []any }
	// dict keeps pairs in order of insertion; what a repeated key means is
	// left to the reader.
	dict struct{ keys, values []any }
)

// maxObjects bounds stack and memo. A state dict of n tensors needs some 10 n.
const maxObjects = 1 << 20

// Opcodes as in CPython's pickletools: protocols 0 to 2, which torch.save
// writes, and what protocols 3 to 5 put in their place.
const (
	opMark           = '('
	opStop           = '.'
	opPop            = '0'
	opPopMark        = '1'
	opBinFloat       = 'G'
	opBinInt         = 'J'
	opBinInt1        = 'K'
	opBinInt2        = 'M'
	opNone           = 'N'
	opBinPersID      = 'Q'
	opReduce         = 'R'
	opBinString      = 'T'
	opShortBinString = 'U'
	opBinUnicode     = 'X'
	opEmptyList      = ']'
	opAppend         = 'a'
	opBuild          = 'b'
	opGlobal         = 'c'
	opAppends        = 'e'
	opBinGet         = 'h'
	opLongBinGet     = 'j'
	opEmptyTuple     = ')'
	opBinPut         = 'q'
	opLongBinPut     = 'r'
	opSetItem        = 's'
	opTuple          = 't'
	opSetItems       = 'u'
	opEmptyDict      = '}'
	opProto          = 0x80
	opTuple1         = 0x85
	opTuple2         = 0x86
	opTuple3         = 0x87
	opNewTrue        = 0x88
	opNewFalse       = 0x89
	opLong1          = 0x8a
	opBinBytes       = 'B'
	opShortBinBytes  = 'C'
	opShortUnicode   = 0x8c
	opStackGlobal    = 0x93
	opMemoize        = 0x94
	opFrame          = 0x95
)

// machine runs one pickle.
type machine struct {
	code  []byte
	at    int
	stack []any
	// marks are heights of the stack.
	marks []int
	memo  []any
	// persistent turns the tuple of a persistent id into a storage, reduce
	// calls a global.
	persistent func(id tuple) (any, error)
	reduce     func(callee global, args tuple) (any, error)
}

// run executes the pickle to its STOP and returns what lies on the stack.
func (m *machine) run() (any, error) {
	for {
		at := m.at
		op, err := m.bytes(1)
		if err != nil {
			return nil, err
		}
		if op[0] == opStop {
			if len(m.marks) > 0 {
				return nil, invalidf("data.pkl: %d open marks at the end", len(m.marks))
			}
			return m.pop()
		}
		if err := m.step(op[0]); err != nil {
			var e *Error
			if errors.As(err, &e) {
				e.Reason = fmt.Sprintf("data.pkl, byte %d: %s", at, e.Reason)
			}
			return nil, err
		}
		if len(m.stack) > maxObjects {
			return nil, invalidf("data.pkl: more than %d values on the stack", maxObjects)
		}
	}
}

func (m *machine) step(op byte) error {
	switch op {
	case opProto:
		v, err := m.bytes(1)
		if err != nil {
			return err
		}
		if v[0] > 5 {
			return invalidf("protocol %d is not known, the newest is 5", v[0])
		}
		return nil
	case opFrame:
		_, err := m.bytes(8)
		return err
	case opMark:
		if len(m.marks) >= maxObjects {
			return invalidf("more than %d marks", maxObjects)
		}
		m.marks = append(m.marks, len(m.stack))
		return nil
	case opPop:
		_, err := m.pop()
		return err
	case opPopMark:
		_, err := m.popMark()
		return err

	case opNone:
		return m.push(nil)
	case opNewTrue:
		return m.push(true)
	case opNewFalse:
		return m.push(false)
	case opBinInt:
		b, err := m.bytes(4)
		if err != nil {
			return err
		}
		return m.push(int64(int32(binary.LittleEndian.Uint32(b))))
	case opBinInt1:
		b, err := m.bytes(1)
		if err != nil {
			return err
		}
		return m.push(int64(b[0]))
	case opBinInt2:
		b, err := m.bytes(2)
		if err != nil {
			return err
		}
		return m.push(int64(binary.LittleEndian.Uint16(b)))
	case opLong1:
		return m.long()
	case opBinFloat:
		b, err := m.bytes(8)
		if err != nil {
			return err
		}
		return m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
	case opShortBinString, opShortBinBytes, opShortUnicode:
		return m.text(1)
	case opBinString, opBinBytes, opBinUnicode:
		return m.text(4)

	case opEmptyTuple:
		return m.push(tuple{})
	case opTuple1, opTuple2, opTuple3:
		n := int(op-opTuple1) + 1
		if m.room() < n {
			return invalidf("a tuple of %d from a stack of %d", n, m.room())
		}
		t := make(tuple, n)
		copy(t, m.stack[len(m.stack)-n:])
		m.stack = m.stack[:len(m.stack)-n]
		return m.push(t)
	case opTuple:
		items, err := m.popMark()
		if err != nil {
			return err
		}
		return m.push(tuple(append([]any(nil), items...)))
	case opEmptyList:
		return m.push(&list{})
	case opEmptyDict:
		return m.push(&dict{})
	case opAppend, opAppends:
		return m.append(op == opAppends)
	case opSetItem, opSetItems:
		return m.setItems(op == opSetItems)

	case opBinPut:
		b, err := m.bytes(1)
		if err != nil {
			return err
		}
		return m.put(int64(b[0]))
	case opLongBinPut:
		b, err := m.bytes(4)
		if err != nil {
			return err
		}
		return m.put(int64(binary.LittleEndian.Uint32(b)))
	case opMemoize:
		return m.put(int64(len(m.memo)))
	case opBinGet:
		b, err := m.bytes(1)
		if err != nil {
			return err
		}
		return m.get(int64(b[0]))
	case opLongBinGet:
		b, err := m.bytes(4)
		if err != nil {
			return err
		}
		return m.get(int64(binary.LittleEndian.Uint32(b)))

	case opGlobal:
		module, err := m.line()
		if err != nil {
			return err
		}
		name, err := m.line()
		if err != nil {
			return err
		}
		return m.global(module, name)
	case opStackGlobal:
		name, err := m.pop()
		if err != nil {
			return err
		}
		module, err := m.pop()
		if err != nil {
			return err
		}
		n, isName := name.(string)
		mod, isModule := module.(string)
		if !isName || !isModule {
			return invalidf("a global whose name is no string")
		}
		return m.global(mod, n)
	case opBinPersID:
		v, err := m.pop()
		if err != nil {
			return err
		}
		id, ok := v.(tuple)
		if !ok {
			return invalidf("a persistent id that is no tuple")
		}
		storage, err := m.persistent(id)
		if err != nil {
			return err
		}
		return m.push(storage)
	case opReduce:
		v, err := m.pop()
		if err != nil {
			return err
		}
		callee, err := m.pop()
		if err != nil {
			return err
		}
		args, ok := v.(tuple)
		if !ok {
			return invalidf("a call whose arguments are no tuple")
		}
		name, ok := callee.(global)
		if !ok {
			return invalidf("a call of something that is no global")
		}
		result, err := m.reduce(name, args)
		if err != nil {
			return err
		}
		return m.push(result)
	case opBuild:
		// The state of an OrderedDict is its _metadata: versions of modules.
		if _, err := m.pop(); err != nil {
			return err
		}
		if m.room() < 1 {
			return invalidf("state without an object")
		}
		if _, ok := m.stack[len(m.stack)-1].(*dict); !ok {
			return invalidf("state of something that is no dict")
		}
		return nil
	}
	return invalidf("opcode 0x%02x has no place in a state dict", op)
}

// allowed is every global that a state dict may name.
var allowed = map[string]bool{
	"collections.OrderedDict":         true,
	"torch._utils._rebuild_tensor_v2": true,
	"torch._utils._rebuild_parameter": true,
}

func (m *machine) global(module, name string) error {
	full := module + "." + name
	if _, isStorage := storageTypes[full]; !isStorage && !allowed[full] {
		return invalidf("refers to %q, which a state dict of tensors does not need; save model.state_dict(), not the model", clip(full))
	}
	return m.push(global(full))
}

// bytes takes n bytes of the program.
func (m *machine) bytes(n int) ([]byte, error) {
	if n < 0 || n > len(m.code)-m.at {
		return nil, invalidf("the pickle ends within an instruction")
	}
	b := m.code[m.at : m.at+n]
	m.at += n
	return b, nil
}

// line takes the bytes to the next line feed, which names of globals end with.
func (m *machine) line() (string, error) {
	const longest = 1 << 10
	rest := m.code[m.at:]
	for i, c := range rest[:min(len(rest), longest)] {
		if c == '\n' {
			m.at += i + 1
			return string(rest[:i]), nil
		}
	}
	return "", invalidf("a global's name does not end")
}

// text pushes a string with a length of width bytes before it.
func (m *machine) text(width int) error {
	b, err := m.bytes(width)
	if err != nil {
		return err
	}
	n := uint32(b[0])
	if width == 4 {
		n = binary.LittleEndian.Uint32(b)
	}
	if int64(n) > int64(len(m.code)-m.at) {
		return invalidf("a string of %d bytes, but %d are left", n, len(m.code)-m.at)
	}
	if b, err = m.bytes(int(n)); err != nil {
		return err
	}
	return m.push(string(b))
}

// long pushes an integer of up to 8 bytes.
func (m *machine) long() error {
	b, err := m.bytes(1)
	if err != nil {
		return err
	}
	n := int(b[0])
	if b, err = m.bytes(n); err != nil {
		return err
	}
	if n > 8 {
		return invalidf("an integer of %d bytes", n)
	}
	var v uint64
	for i, c := range b {
		v |= uint64(c) << (8 * i)
	}
	if shift := 64 - 8*n; n > 0 {
		return m.push(int64(v<<shift) >> shift)
	}
	return m.push(int64(0))
}

func (m *machine) push(v any) error {
	m.stack = append(m.stack, v)
	return nil
}

// room is the number of values above the last mark.
func (m *machine) room() int {
	if n := len(m.marks); n > 0 {
		return len(m.stack) - m.marks[n-1]
	}
	return len(m.stack)
}

func (m *machine) pop() (any, error) {
	if m.room() < 1 {
		return nil, invalidf("the stack is empty")
	}
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

// popMark takes the values above the last mark; they stay valid until the
// next push.
func (m *machine) popMark() ([]any, error) {
	n := len(m.marks)
	if n == 0 {
		return nil, invalidf("there is no mark")
	}
	items := m.stack[m.marks[n-1]:]
	m.stack = m.stack[:m.marks[n-1]]
	m.marks = m.marks[:n-1]
	return items, nil
}

// operands takes one value of n, or all above a mark.
func (m *machine) operands(many bool, n int) ([]any, error) {
	if many {
		return m.popMark()
	}
	if m.room() < n {
		return nil, invalidf("%d values were expected on the stack, there are %d", n, m.room())
	}
	items := m.stack[len(m.stack)-n:]
	m.stack = m.stack[:len(m.stack)-n]
	return items, nil
}

func (m *machine) append(many bool) error {
	items, err := m.operands(many, 1)
	if err != nil {
		return err
	}
	if m.room() < 1 {
		return invalidf("items without a list")
	}
	l, ok := m.stack[len(m.stack)-1].(*list)
	if !ok {
		return invalidf("items for something that is no list")
	}
	l.items = append(l.items, items...)
	return nil
}

func (m *machine) setItems(many bool) error {
	items, err := m.operands(many, 2)
	if err != nil {
		return err
	}
	if len(items)%2 != 0 {
		return invalidf("a key without a value")
	}
	if m.room() < 1 {
		return invalidf("items without a dict")
	}
	d, ok := m.stack[len(m.stack)-1].(*dict)
	if !ok {
		return invalidf("items for something that is no dict")
	}
	for i := 0; i < len(items); i += 2 {
		d.keys = append(d.keys, items[i])
		d.values = append(d.values, items[i+1])
	}
	return nil
}

func (m *machine) put(at int64) error {
	if m.room() < 1 {
		return invalidf("nothing to remember")
	}
	// Writers number the memo from 0 on, so a hole is no state dict of theirs.
	switch {
	case at > int64(len(m.memo)):
		return invalidf("memo %d is written before memo %d", at, len(m.memo))
	case at >= maxObjects:
		return invalidf("more than %d remembered values", maxObjects)
	case at == int64(len(m.memo)):
		m.memo = append(m.memo, nil)
	}
	m.memo[at] = m.stack[len(m.stack)-1]
	return nil
}

func (m *machine) get(at int64) error {
	if at >= int64(len(m.memo)) {
		return invalidf("memo %d is read, but only %d are written", at, len(m.memo))
	}
	return m.push(m.memo[at])
}

// clip keeps an error's line short whatever a file says.
func clip(s string) string {
	const longest = 120
	if len(s) > longest {
		return s[:longest] + "…"
	}
	return s
}
