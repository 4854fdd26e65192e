package computetest

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// Config says what [Run] tests.
type Config struct {
	// Open opens the device under test; it may be called more than once at a
	// time.
	Open func(compute.Options) (compute.Device, error)

	// Tolerance is the largest difference from the reference relative to
	// the size of the terms that a result sums up; 0 means 1e-6, which suits
	// float32. A class with less precision names its own.
	Tolerance float64

	// Rounding is the largest relative error of a number that the device
	// stores; 0 means none, which suits float32. A device that stores what
	// lies between operations in another type names that type's: 2^-8 for
	// bfloat16.
	Rounding float64

	// LongCell is the number of tokens of a cell whose attention takes the
	// device long enough to be cancelled; 0 means 30,000, which suits all but
	// a simulated device.
	LongCell int
}

// Run tests that a device does what [compute.Device] promises, with the
// reference device as the judge.
func Run(t *testing.T, config Config) {
	if config.Tolerance == 0 {
		config.Tolerance = 1e-6
	}
	if config.LongCell == 0 {
		config.LongCell = 30_000
	}
	for _, test := range []struct {
		name string
		run  func(*testing.T, Config)
	}{
		{"AddLayerNorm", testAddLayerNorm},
		{"AttendInputs", testAttendInputs},
		{"Attention", testAttention},
		{"AttentionExtremes", testAttentionExtremes},
		{"AttentionScores", testAttentionScores},
		{"BadShapes", testBadShapes},
		{"Cancellation", testCancellation},
		{"Close", testClose},
		{"Concurrency", testConcurrency},
		{"Dot", testDot},
		{"Embed", testEmbed},
		{"Empty", testEmpty},
		{"FinishLayer", testFinishLayer},
		{"ForeignAndFreed", testForeignAndFreed},
		{"Linear", testLinear},
		{"Normalize", testNormalize},
		{"Pairs", testPairs},
		{"Pool", testPool},
		{"Project", testProject},
		{"Read", testRead},
		{"SameBytes", testSameBytes},
		{"Sequence", testSequence},
		{"Share", testShare},
		{"StartLayer", testStartLayer},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, config)
		})
	}
}

// bench is a device with methods that fail the test.
type bench struct {
	testing.TB
	compute.Device
	ctx context.Context
}

func newBench(t testing.TB, dev compute.Device, err error) *bench {
	t.Helper()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dev.Close()) })
	return &bench{t, dev, t.Context()}
}

// pair opens the device under test and its judge.
func (c Config) pair(t testing.TB) (dev, judge *bench) {
	opened, err := c.Open(compute.Options{})
	return newBench(t, opened, err), newBench(t, NewReference(), nil)
}

func (b *bench) upload(rows, cols int, data []float32) compute.Tensor {
	b.Helper()
	x, err := b.Upload(rows, cols, data)
	require.NoError(b, err)
	require.Equal(b, rows, x.Rows())
	require.Equal(b, cols, x.Cols())
	return x
}

func (b *bench) matrix(out, in int, data []float32) compute.Matrix {
	b.Helper()
	m, err := b.UploadMatrix(out, in, data)
	require.NoError(b, err)
	require.Equal(b, out, m.Out())
	require.Equal(b, in, m.In())
	return m
}

func (b *bench) tensor(rows, cols int) compute.Tensor {
	b.Helper()
	x, err := b.NewTensor(rows, cols)
	require.NoError(b, err)
	return x
}

func (b *bench) layout(lengths ...int) compute.Layout {
	b.Helper()
	offsets := offsetsOf(lengths)
	l, err := b.NewLayout(offsets)
	require.NoError(b, err)
	clear(offsets) // the device has its own copy
	return l
}

func offsetsOf(lengths []int) []int32 {
	offsets := make([]int32, 1, len(lengths)+1)
	for i, n := range lengths {
		offsets = append(offsets, offsets[i]+int32(n))
	}
	return offsets
}

func total(lengths []int) int {
	n := 0
	for _, l := range lengths {
		n += l
	}
	return n
}

// guard is a number that no operation computes.
var guard = math.Float32frombits(0x7fc0_dead)

// read returns a tensor's numbers and checks that nothing around the
// destination was written.
func (b *bench) read(x compute.Tensor) []float32 {
	b.Helper()
	const around = 32
	n := x.Rows() * x.Cols()
	buf := make([]float32, n+2*around)
	for i := range buf {
		buf[i] = guard
	}
	require.NoError(b, b.Read(b.ctx, buf[around:around+n:around+n], x))
	for i := range around {
		require.Equal(b, math.Float32bits(guard), math.Float32bits(buf[i]), "Read wrote before its destination")
		require.Equal(b, math.Float32bits(guard), math.Float32bits(buf[around+n+i]), "Read wrote behind its destination")
	}
	return buf[around : around+n]
}

// numbers returns n normally distributed numbers times scale, the same for the
// same seed.
func numbers(seed uint64, n int, scale float64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 0))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64() * scale)
	}
	return x
}

// indices returns n numbers from 0 to below-1.
func indices(seed uint64, n, below int) []int32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	x := make([]int32, n)
	for i := range x {
		x[i] = rng.Int32N(int32(below))
	}
	return x
}

// requireClose compares a result with the judge's; size is the size of the
// terms that a number sums up.
func (c Config) requireClose(t testing.TB, want, got []float32, size float64) {
	t.Helper()
	require.Len(t, got, len(want))
	for i, w := range want {
		diff := math.Abs(float64(w) - float64(got[i]))
		if !(diff <= c.Tolerance*size) {
			require.Failf(t, "differs from the reference", "number %d is %v, want %v (difference %.3g, allowed %.3g)", i, got[i], w, diff, c.Tolerance*size)
		}
	}
}

// requireStored compares a result that is computed in one rounding to float32
// with the judge's: nothing is tolerated but how the device stores it.
func (c Config) requireStored(t testing.TB, want, got []float32, what string) {
	t.Helper()
	if c.Rounding == 0 {
		requireSameBits(t, want, got, what)
		return
	}
	require.Len(t, got, len(want), what)
	for i, w := range want {
		if diff := math.Abs(float64(w) - float64(got[i])); !(diff <= c.Rounding*math.Abs(float64(w))) {
			require.Failf(t, "differs by more than its rounding", "%s: number %d is %v, want %v", what, i, got[i], w)
		}
	}
}

// requireSameBits compares bit by bit, so that NaN equals itself.
func requireSameBits(t testing.TB, want, got []float32, what string) {
	t.Helper()
	require.Len(t, got, len(want), what)
	for i, w := range want {
		if math.Float32bits(w) != math.Float32bits(got[i]) {
			require.Failf(t, "not the same bytes", "%s: number %d is %v, want %v", what, i, got[i], w)
		}
	}
}
