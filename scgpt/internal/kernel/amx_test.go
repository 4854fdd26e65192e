//go:build amd64 && !noasm

package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// emulated returns the sets of AMX with the machine code of their tiles run by
// a tileMachine, where everything around it can run.
func emulated() []*Set {
	if !slices.Contains(Sets(), avx512bf16) {
		return nil
	}
	s := *amx
	s.Name = "amx emulated"
	s.Gemm = gemmOnTiles(runTiles(gemm1AMXCode()), runTiles(gemm2AMXCode()))
	return []*Set{&s, threefold(&s)}
}

func TestTileConfig(t *testing.T) {
	t.Parallel()
	require.EqualValues(t, 64, unsafe.Sizeof(tileConfig{}))
	require.EqualValues(t, 16, unsafe.Offsetof(tileConfig{}.rowBytes))
	require.EqualValues(t, 48, unsafe.Offsetof(tileConfig{}.rows))
}

func runTiles(code unsafe.Pointer) tilesFunc {
	const longest = 1 << 10
	machine := unsafe.Slice((*byte)(code), longest)
	return func(config unsafe.Pointer, a *float32, lda int, b *float32, steps int, c *float32, ldc int, blocks int, accumulate int) {
		rows := 0
		for _, n := range [2]byte{(*tileConfig)(config).rows[0], (*tileConfig)(config).rows[2]} {
			rows += int(n)
		}
		rows *= blocks
		address := func(p unsafe.Pointer) uint64 { return uint64(uintptr(p)) }
		operand := func(p *float32, n int) memory {
			return memory{address(unsafe.Pointer(p)), unsafe.Slice((*byte)(unsafe.Pointer(p)), n)}
		}
		m := tileMachine{
			code: machine,
			arguments: []uint64{
				address(config), address(unsafe.Pointer(a)), uint64(lda), address(unsafe.Pointer(b)), uint64(steps),
				address(unsafe.Pointer(c)), uint64(ldc), uint64(blocks), uint64(accumulate),
			},
			memory: []memory{
				{address(config), unsafe.Slice((*byte)(config), 64)},
				operand(a, (rows-1)*lda+64*steps), operand(b, 2048*steps), operand(c, (rows-1)*ldc+128),
			},
		}
		m.run()
	}
}

// memory is what the code may touch: an address and what is there.
type memory struct {
	at   uint64
	data []byte
}

type tile struct {
	rows, rowBytes int
	data           [16][16]uint32
}

// tileMachine runs the few instructions that the tiles' code consists of. It
// panics at any other, and at an access beyond the operands.
type tileMachine struct {
	code      []byte
	at        int
	arguments []uint64 // behind the return address
	memory    []memory
	registers [16]uint64
	zero      bool // the flag
	tiles     *[8]tile
}

func (m *tileMachine) next() byte { m.at++; return m.code[m.at-1] }

func (m *tileMachine) immediate(size int) uint64 {
	m.at += size
	if size == 1 {
		return uint64(int64(int8(m.code[m.at-1])))
	}
	return uint64(int64(int32(binary.LittleEndian.Uint32(m.code[m.at-4:]))))
}

func (m *tileMachine) bytes(at uint64, n int) []byte {
	for _, x := range m.memory {
		if at >= x.at && at+uint64(n) <= x.at+uint64(len(x.data)) {
			return x.data[at-x.at:][:n]
		}
	}
	panic(fmt.Sprintf("%d bytes at %#x are no operand's", n, at))
}

func (m *tileMachine) run() {
	for {
		begin := m.at
		unknown := func() { panic(fmt.Sprintf("unknown instruction % x at %#x", m.code[begin:begin+10], begin)) }
		switch op := m.next(); op {
		case 0xc3:
			if m.tiles != nil {
				panic("tiles are still in use")
			}
			return
		case 0x74, 0x75, 0xeb: // JE, JNE, JMP
			to := int(int64(m.immediate(1)))
			if op == 0xeb || m.zero == (op == 0x74) {
				m.at += to
			}
		case 0x0f: // JE, JNE
			op := m.next()
			if op != 0x84 && op != 0x85 {
				unknown()
			}
			if to := int(int64(m.immediate(4))); m.zero == (op == 0x84) {
				m.at += to
			}
		case 0xc4:
			if !m.vex() {
				unknown()
			}
		default:
			if op&0xf8 != 0x48 || !m.integer(op) {
				unknown()
			}
		}
	}
}

// integer runs an instruction on 64-bit registers.
func (m *tileMachine) integer(rex byte) bool {
	op, modrm := m.next(), m.next()
	reg, rm := modrm>>3&7|rex&4<<1, modrm&7|rex&1<<3
	set := func(r byte, x uint64) { m.registers[r], m.zero = x, x == 0 }
	switch {
	case op == 0x8b && modrm&0xc7 == 0x44 && m.next() == 0x24: // MOVQ disp(SP), reg
		m.registers[reg] = m.arguments[m.immediate(1)/8-1]
	case modrm < 0xc0:
		return false
	case op == 0x89:
		m.registers[rm] = m.registers[reg]
	case op == 0xc7 && modrm&0x38 == 0:
		m.registers[rm] = m.immediate(4)
	case op == 0x01:
		set(rm, m.registers[rm]+m.registers[reg])
	case op == 0x83 && modrm&0x38 == 0:
		set(rm, m.registers[rm]+m.immediate(1))
	case op == 0x81 && modrm&0x38 == 0:
		set(rm, m.registers[rm]+m.immediate(4))
	case op == 0xc1 && modrm&0x38 == 0x20:
		set(rm, m.registers[rm]<<m.immediate(1))
	case op == 0xff && modrm&0x38 == 0x08:
		set(rm, m.registers[rm]-1)
	case op == 0x85:
		m.zero = m.registers[rm]&m.registers[reg] == 0
	default:
		return false
	}
	return true
}

// vex runs an instruction on tiles, encoded as Intel's manual (Architecture
// Instruction Set Extensions, chapter 3) has it.
func (m *tileMachine) vex() bool {
	first, second, op, modrm := m.next(), m.next(), m.next(), m.next()
	if first&0x1f != 2 || second&0x84 != 0 { // map 0F38, W0, 128 bits
		return false
	}
	prefix := second & 3 // 0: none, 2: F3, 3: F2
	reg, rm, v := modrm>>3&7, modrm&7, ^(second>>3)&15
	switch {
	case op == 0x49 && prefix == 0 && modrm == 0x00: // LDTILECFG [AX]
		c := (*tileConfig)(unsafe.Pointer(unsafe.SliceData(m.bytes(m.registers[0], 64))))
		if c.palette != 1 || c.start != 0 {
			panic("palette 1 is the one with tiles")
		}
		m.tiles = new([8]tile)
		for i := range m.tiles {
			m.tiles[i].rows, m.tiles[i].rowBytes = int(c.rows[i]), int(c.rowBytes[i])
		}
	case op == 0x49 && prefix == 0 && modrm == 0xc0: // TILERELEASE
		m.tiles = nil
	case op == 0x49 && prefix == 3 && modrm&0xc7 == 0xc0: // TILEZERO
		m.tile(reg).data = [16][16]uint32{}
	case op == 0x4b && (prefix == 2 || prefix == 3) && modrm < 0x80 && rm == 4: // TILESTORED, TILELOADD
		sib := m.next()
		base, index := sib&7|^first>>5&1<<3, sib>>3&7|^first>>6&1<<3
		at, distance := m.registers[base], m.registers[index]<<(sib>>6)
		if modrm >= 0x40 {
			at += m.immediate(1)
		} else if sib&7 == 5 {
			return false
		}
		t := m.tile(reg)
		for r := range t.rows {
			row := m.bytes(at+uint64(r)*distance, t.rowBytes)
			for j := range t.rowBytes / 4 {
				if prefix == 3 {
					t.data[r][j] = binary.LittleEndian.Uint32(row[4*j:])
				} else {
					binary.LittleEndian.PutUint32(row[4*j:], t.data[r][j])
				}
			}
		}
		if prefix == 3 { // the rest of a loaded tile is zero
			for r := t.rows; r < 16; r++ {
				t.data[r] = [16]uint32{}
			}
		}
	case op == 0x5c && prefix == 2 && modrm >= 0xc0: // TDPBF16PS
		m.multiply(m.tile(reg), m.tile(rm), m.tile(v))
	default:
		return false
	}
	return true
}

func (m *tileMachine) tile(n byte) *tile {
	if m.tiles == nil {
		panic("no tiles are configured")
	}
	t := &m.tiles[n]
	if t.rows == 0 {
		panic(fmt.Sprintf("tile %d is not configured", n))
	}
	return t
}

func (m *tileMachine) multiply(sums, a, b *tile) {
	if sums.rows != a.rows || sums.rowBytes != b.rowBytes || a.rowBytes/4 != b.rows {
		panic("tiles do not fit together")
	}
	half := func(word uint32, i int) float32 { return math.Float32frombits(word >> (16 * i) << 16) }
	for r := range sums.rows {
		for k := range a.rowBytes / 4 {
			for j := range sums.rowBytes / 4 {
				x := math.Float32frombits(sums.data[r][j])
				for i := range 2 {
					x = float32(math.FMA(float64(half(a.data[r][k], i)), float64(half(b.data[k][j], i)), float64(x)))
				}
				sums.data[r][j] = math.Float32bits(x)
			}
		}
	}
}
