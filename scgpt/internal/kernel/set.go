// Package kernel holds the inner loops of the CPU device: one [Set] in pure
// Go and sets in assembly: for AVX2 and AVX-512 on amd64, the latter also with
// factors in bfloat16, and for NEON on arm64.
//
// Within a set every result has one fixed order of operations that depends on
// the length of the row alone. A product's element is the sum over k in
// ascending order, one accumulator, whatever tile it is computed in. [Set.GemmPairs]
// sums otherwise, and its results depend on the two rows of a pair.
package kernel

//go:generate env GOWORK=off go -C gen run . -set neon

// Set is the inner loops for one instruction set. Its functions are safe for
// concurrent use on separate destinations.
type Set struct {
	// Name is the instruction set: "generic", "avx2", "avx512",
	// "avx512bf16" or "neon".
	Name string

	// Precision is that of the factors of products: "fp32", "bf16" or
	// "bf16x3".
	Precision string

	// MR and NR are the rows and columns of the largest tile that Gemm
	// computes at once.
	MR, NR int

	// Gemm computes m rows and NR columns, tile by tile,
	//
	//	c[i·ldc+j] = act(init + Σ_p a[i·lda+p]·b[p·NR+j])  for p = 0 … k-1
	//
	// where init is bias[j], or the present c with Accumulate, or 0. a and b
	// are words (see [Set.Words]), a product of words the sum of the products
	// of their parts. b is a column panel as PackRows and PackCols lay it out.
	Gemm func(m, k int, a []float32, lda int, b []float32, c []float32, ldc int, bias []float32, flags Flags)

	// Max returns the largest number of row, -Inf for none. What it returns
	// where there is a NaN is undefined.
	Max func(row []float32) float32

	// Softmax replaces row by exp(scale·(row - max(row))) and returns its
	// sum. The exponential of the rounded argument is within 2 units in the
	// last place.
	Softmax func(row []float32, scale float32) float32

	// Scale sets dst = s·src.
	Scale func(dst, src []float32, s float32)

	// Add sets dst = a + b.
	Add func(dst, a, b []float32)

	// AddNorm sets dst to the layer norm of a+b, or of a when b is nil.
	// dst may be a or b.
	AddNorm func(dst, a, b, gamma, beta []float32, eps float32)

	// halves is nil where words are float32.
	halves *halves

	// prefetch asks the memory for m rows of n numbers, ld apart, to read them
	// and to write them; nil where there is no way.
	prefetch [2]prefetchFunc

	// pairRows writes the seven half rows of a pair, plane numbers apart, of halves
	// that are a multiple of 16 numbers; nil where there is no fast way.
	pairRows func(dst []float32, plane int, first, second []float32)

	// addRows sets rows of NR numbers, ldd apart, to the sum of those of src and
	// more, or to low where that is more; those of more follow one another. nil
	// where there is no fast way.
	addRows func(dst []float32, ldd int, src []float32, lds int, more []float32, rows int, low float32)

	// copyRows copies rows of NR numbers; nil where there is no fast way.
	copyRows func(dst []float32, ldd int, src []float32, lds, rows int)

	// transpose8 writes eight rows of 8·blocks columns as 8·blocks rows of
	// eight, dst[p·ldd+i] = src[i·lds+p]; nil where there is no fast way.
	transpose8 func(dst []float32, ldd int, src []float32, lds, blocks int)
}

// MaxMR is the largest MR of any set, maxNR the largest NR.
const (
	MaxMR = 32
	maxNR = 32
)

// Flags modify a Gemm tile.
type Flags int

const (
	// Accumulate begins the sums with what is in c.
	Accumulate Flags = 1 << iota
	// ReLU applies max(x, 0) at the end.
	ReLU
	// LeakyReLU applies max(x, 0.01·x) at the end.
	LeakyReLU
)

type prefetchFunc func(rows []float32, ld, m, n int)

// Prefetch asks the memory for m rows of n numbers, ld apart, which this thread will
// read soon. It changes nothing but how fast that is.
func (s *Set) Prefetch(rows []float32, ld, m, n int) {
	if f := s.prefetch[0]; f != nil {
		f(rows, ld, m, n)
	}
}

// PrefetchWrite is Prefetch for rows that this thread will write.
func (s *Set) PrefetchWrite(rows []float32, ld, m, n int) {
	if f := s.prefetch[1]; f != nil {
		f(rows, ld, m, n)
	}
}
