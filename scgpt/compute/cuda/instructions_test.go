//go:build cuda

package cuda

import (
	"embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"gorgonia.org/cu"
	"gorgonia.org/cu/nvrtc"
)

//go:embed sim/probe.cu sim/testdata
var probes embed.FS

// recordVariable names a file: TestInstructions then writes what the GPU does.
const recordVariable = "TROUPE_CUDA_RECORD"

// recording is what a GPU made of the probes' inputs.
type recording struct {
	Device string
	Arch   int
	Cases  []probeCase
}

// probeCase is one run of a kernel of sim/probe.cu: the words that its threads
// read and those that they write.
type probeCase struct {
	Kernel string
	Name   string
	// Tolerance, if not 0, is the allowed difference of the words as floats,
	// relative to the larger of 1 and the number recorded. Otherwise the bits
	// are the same.
	Tolerance float64 `json:",omitempty"`
	In, Out   words
}

// words stand in JSON as base64 of little-endian bytes.
type words []uint32

func (w words) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 4*len(w))
	for _, x := range w {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return json.Marshal(b)
}

func (w *words) UnmarshalJSON(text []byte) error {
	var b []byte
	if err := json.Unmarshal(text, &b); err != nil {
		return err
	}
	if len(b)%4 != 0 {
		return fmt.Errorf("%d bytes are not words", len(b))
	}
	*w = nil
	for ; len(b) > 0; b = b[4:] {
		*w = append(*w, binary.LittleEndian.Uint32(b))
	}
	return nil
}

// TestInstructions holds the stand-ins of the simulated device (sim/ptx.h) to
// what a GPU did, and a GPU to what the one before it did. On a GPU, with the
// variable TROUPE_CUDA_RECORD naming a file, it records instead.
func TestInstructions(t *testing.T) {
	p := newProber(t)
	if to := os.Getenv(recordVariable); to != "" {
		require.False(t, strings.HasPrefix(p.name, "Simulated"), "a recording comes from a GPU, not from %s", p.name)
		p.record(t, to)
		return
	}
	entries, err := probes.ReadDir("sim/testdata")
	require.NoError(t, err)
	compared := 0
	for _, e := range entries {
		if path.Ext(e.Name()) != ".json" {
			continue
		}
		var r recording
		data, err := probes.ReadFile("sim/testdata/" + e.Name())
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &r), e.Name())
		require.NotEmpty(t, r.Cases, e.Name())
		for _, c := range r.Cases {
			if _, ok := p.functions[c.Kernel]; !ok {
				continue // the architecture lacks the instruction
			}
			// Here, not in a subtest, whose thread has no context.
			got := p.run(t, c.Kernel, c.In)
			t.Run(fmt.Sprintf("%s %s as sm_%d", c.Kernel, c.Name, r.Arch), func(t *testing.T) { c.requireSame(t, got) })
			compared++
		}
	}
	if compared == 0 {
		t.Skip("nothing recorded on a GPU yet: the simulated device's instructions are unverified")
	}
}

func (c probeCase) requireSame(t *testing.T, got []uint32) {
	require.Len(t, got, len(c.Out))
	each := probeShapes[c.Kernel].out
	for i, want := range c.Out {
		if c.Tolerance == 0 {
			require.Equalf(t, want, got[i], "thread %d, word %d: %#08x, recorded %#08x", i/each, i%each, got[i], want)
			continue
		}
		x, w := float64(math.Float32frombits(got[i])), float64(math.Float32frombits(want))
		if math.IsNaN(w) || math.IsInf(w, 0) {
			require.Equal(t, fmt.Sprint(w), fmt.Sprint(x))
			continue
		}
		require.LessOrEqualf(t, math.Abs(x-w), c.Tolerance*max(1, math.Abs(w)), "thread %d, word %d: %v, recorded %v", i/each, i%each, x, w)
	}
}

// prober runs the probes on GPU 0, on the test's own thread.
type prober struct {
	name      string
	arch      int
	functions map[string]cu.Function
}

// probeShapes are the kernels' threads, words in and out of each, and bytes of
// dynamic shared memory.
var probeShapes = map[string]struct{ threads, in, out, shared int }{
	"probe_exp2_approx": {32, 1, 1, 0},
	"probe_pack_bf16":   {32, 2, 1, 0},
	"probe_ldmatrix":    {32, 4, 8, 0},
	"probe_mma_bf16":    {32, 10, 4, 0},
	"probe_mma_tf32":    {32, 10, 4, 0},
	"probe_cp_async":    {32, 8, 8, 0},
	"probe_wgmma":       {128, 20, 32, 8192},
}

func newProber(t *testing.T) *prober {
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	gpu, err := cu.GetDevice(0)
	require.NoError(t, err)
	p := &prober{functions: map[string]cu.Function{}}
	p.name, err = gpu.Name()
	require.NoError(t, err)
	major, minor, err := gpu.ComputeCapability()
	require.NoError(t, err)
	p.arch = 10*major + minor
	ctx, err := gpu.RetainPrimaryCtx()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, gpu.ReleasePrimaryCtx()) })
	require.NoError(t, cu.SetCurrentContext(ctx))

	wrappers, err := sources.ReadFile("kernels/attention.cu")
	require.NoError(t, err)
	kernels, err := probes.ReadFile("sim/probe.cu")
	require.NoError(t, err)
	program, err := nvrtc.CreateProgram(string(wrappers)+string(kernels), "probe.cu")
	require.NoError(t, err)
	defer func() { require.NoError(t, program.Destroy()) }()
	arch := fmt.Sprintf("--gpu-architecture=compute_%d", p.arch)
	if p.arch == 90 {
		arch += "a" // wgmma is not in compute_90
	}
	if err := program.Compile(arch, "--std=c++17", "--device-as-default-execution-space", "-DHEAD_DIM=0"); err != nil {
		log, _ := program.GetLog()
		require.NoError(t, err, log)
	}
	ptx, err := program.GetPTX()
	require.NoError(t, err)
	module, err := cu.LoadData(ptx)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, module.Unload()) })
	for name := range probeShapes {
		f, err := module.Function(name)
		if err != nil && (p.arch < 80 || name == "probe_wgmma" && p.arch != 90) {
			continue
		}
		require.NoError(t, err, name)
		p.functions[name] = f
	}
	return p
}

func (p *prober) run(t *testing.T, kernel string, in []uint32) []uint32 {
	shape := probeShapes[kernel]
	require.Len(t, in, shape.threads*shape.in)
	out := make([]uint32, shape.threads*shape.out)
	from, err := cu.MemAlloc(int64(4 * len(in)))
	require.NoError(t, err)
	defer func() { require.NoError(t, cu.MemFree(from)) }()
	to, err := cu.MemAlloc(int64(4 * len(out)))
	require.NoError(t, err)
	defer func() { require.NoError(t, cu.MemFree(to)) }()
	require.NoError(t, cu.MemcpyHtoD(from, unsafe.Pointer(&in[0]), int64(4*len(in))))
	require.NoError(t, p.functions[kernel].Launch(1, 1, 1, shape.threads, 1, 1, shape.shared, cu.NoStream, []unsafe.Pointer{unsafe.Pointer(&from), unsafe.Pointer(&to)}))
	require.NoError(t, cu.MemcpyDtoH(unsafe.Pointer(&out[0]), to, int64(4*len(out))))
	return out
}

func (p *prober) record(t *testing.T, file string) {
	r := recording{Device: p.name, Arch: p.arch}
	for _, c := range probeCases() {
		if _, ok := p.functions[c.Kernel]; !ok {
			continue
		}
		c.Out = p.run(t, c.Kernel, c.In)
		r.Cases = append(r.Cases, c)
	}
	data, err := json.MarshalIndent(r, "", " ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(data, '\n'), 0o644))
}

// probeCases are the inputs: small integers, whose sums are exact, show where
// each number lies; random ones how sums are rounded; and the edges of the
// conversions.
func probeCases() []probeCase {
	rng := rand.New(rand.NewPCG(1, 2))
	threads := func(n, words int, f func(thread, word int) uint32) []uint32 {
		in := make([]uint32, 0, n*words)
		for t := range n {
			for w := range words {
				in = append(in, f(t, w))
			}
		}
		return in
	}
	lanes := func(words int, f func(lane, word int) uint32) []uint32 { return threads(32, words, f) }
	bits := math.Float32bits
	bf16 := func(x float32) uint32 { return bits(x) >> 16 }
	integer := func() float32 { return float32(rng.IntN(17) - 8) }
	normal := func() float32 { return float32(rng.NormFloat64()) }
	mma := func(number func() float32, pack func(func() float32) uint32) []uint32 {
		return lanes(10, func(_, w int) uint32 {
			if w < 6 {
				return pack(number)
			}
			return bits(number())
		})
	}
	two := func(number func() float32) uint32 { return bf16(number()) | bf16(number())<<16 }
	one := func(number func() float32) uint32 { return bits(number()) }
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	edges := []float32{
		0, float32(math.Copysign(0, -1)), 1, -1, 1 + 1.0/256, 1 + 3.0/256, -1 - 1.0/256, 1 + 1.0/2048, 1 + 3.0/2048, -1 - 1.0/2048,
		inf, -inf, nan, math.MaxFloat32, -math.MaxFloat32, 0x1p-126, 0x1.8p-130, -0x1p-149, 3.14159265, 1e-30,
		-126, -126.5, -127, -150, 127.5, 128, 0.5, -0.5, 8, -1000, 1e15, -1e30,
	}
	cases := []probeCase{
		{Kernel: "probe_exp2_approx", Name: "edges", Tolerance: 1e-6, In: lanes(1, func(l, _ int) uint32 { return bits(edges[l]) })},
		{Kernel: "probe_exp2_approx", Name: "softmax", Tolerance: 1e-6, In: lanes(1, func(l, _ int) uint32 { return bits(8 - float32(l)*1.37) })},
		{Kernel: "probe_pack_bf16", Name: "edges", In: lanes(2, func(l, w int) uint32 { return bits(edges[(l+5*w)%32]) })},
		{Kernel: "probe_pack_bf16", Name: "random", In: lanes(2, func(int, int) uint32 { return bits(normal()) })},
		{Kernel: "probe_ldmatrix", Name: "places", In: lanes(4, func(l, w int) uint32 { return uint32(l*8+w*2) | uint32(l*8+w*2+1)<<16 })},
		{Kernel: "probe_cp_async", Name: "places", In: lanes(8, func(l, w int) uint32 { return uint32(l*8 + w) })},
		{Kernel: "probe_mma_tf32", Name: "low bits", In: mma(integer, func(number func() float32) uint32 { return bits(number()) | 0x1fff })},
	}
	for i := range 2 {
		cases = append(cases,
			probeCase{Kernel: "probe_wgmma", Name: fmt.Sprint("integers ", i), In: threads(128, 20, func(int, int) uint32 { return two(integer) })},
			probeCase{Kernel: "probe_wgmma", Name: fmt.Sprint("random ", i), Tolerance: 4e-6, In: threads(128, 20, func(int, int) uint32 { return two(normal) })},
		)
	}
	for i := range 4 {
		cases = append(cases,
			probeCase{Kernel: "probe_mma_bf16", Name: fmt.Sprint("integers ", i), In: mma(integer, two)},
			probeCase{Kernel: "probe_mma_tf32", Name: fmt.Sprint("integers ", i), In: mma(integer, one)},
			probeCase{Kernel: "probe_mma_bf16", Name: fmt.Sprint("random ", i), Tolerance: 4e-6, In: mma(normal, two)},
			probeCase{Kernel: "probe_mma_tf32", Name: fmt.Sprint("random ", i), Tolerance: 4e-6, In: mma(normal, one)},
		)
	}
	return cases
}
