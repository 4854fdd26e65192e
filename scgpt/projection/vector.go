package projection

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
)

// Products are converted to float64 before they are added, which keeps the
// compiler from fusing the two where a processor could.

func dot(a, b []float64) float64 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float64
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += float64(a[i] * b[i])
		s1 += float64(a[i+1] * b[i+1])
		s2 += float64(a[i+2] * b[i+2])
		s3 += float64(a[i+3] * b[i+3])
	}
	for ; i < len(a); i++ {
		s0 += float64(a[i] * b[i])
	}
	return (s0 + s1) + (s2 + s3)
}

// addScaled adds f·x to y.
func addScaled(y []float64, f float64, x []float64) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += float64(f * v)
	}
}

func length(v []float64) float64 { return math.Sqrt(dot(v, v)) }

func scale(v []float64, f float64) {
	for i := range v {
		v[i] *= f
	}
}

// uniform returns a number between -1 and 1 that depends on the generator alone.
func uniform(random *rand.PCG) float64 {
	return float64(int64(random.Uint64())>>11) * 0x1p-52
}

// parallel calls work for parts of 0 … n-1, on as many goroutines, and returns
// when all are done.
func parallel(threads, n int, work func(from, to int)) {
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	threads = min(threads, n)
	if threads <= 1 {
		work(0, n)
		return
	}
	var workers sync.WaitGroup
	for t := range threads {
		workers.Go(func() { work(t*n/threads, (t+1)*n/threads) })
	}
	workers.Wait()
}

const (
	ln2High = 6.93147180369123816490e-01 // its last 32 bits are 0
	ln2Low  = 1.90821492927058770002e-10
)

// exp is e^x, to a unit or two in the last place, for x from -700 to 700.
func exp(x float64) float64 {
	k := math.Floor(float64(x*(1/math.Ln2)) + 0.5)
	r := (x - float64(k*ln2High)) - float64(k*ln2Low)
	sum := 1.0
	for i := 14.0; i > 0; i-- { // Horner's form of Taylor's series
		sum = 1 + float64(float64(r*sum)/i)
	}
	return math.Ldexp(sum, int(k))
}

// log is the natural logarithm of x > 0, to about 1e-16 or a few units in the
// last place.
func log(x float64) float64 {
	f, e := math.Frexp(x)
	if f < math.Sqrt2/2 {
		f, e = 2*f, e-1
	}
	// ln f = 2·artanh s
	s := (f - 1) / (f + 1)
	square := float64(s * s)
	sum := 0.0
	for i := 23.0; i > 0; i -= 2 {
		sum = 1/i + float64(square*sum)
	}
	k := float64(e)
	return float64(k*ln2High) + (float64(2*float64(s*sum)) + float64(k*ln2Low))
}

// power is x^y for x > 0.
func power(x, y float64) float64 { return exp(float64(y * log(x))) }
