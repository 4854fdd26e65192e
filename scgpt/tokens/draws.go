package tokens

import "math/rand/v2"

// draws gives numbers from 0 to less than 1: always the same one, or those of a
// generator.
type draws struct {
	fixed  float64
	random *rand.PCG
}

func (d draws) next() float64 {
	if d.random == nil {
		return d.fixed
	}
	return uniform(d.random)
}

// uniform has the 53 bits that a float64 in [0, 1) can hold.
func uniform(r *rand.PCG) float64 { return float64(r.Uint64()>>11) / (1 << 53) }

// Purposes of a cell's generators, so that they do not give the same numbers.
const (
	forTies = 0x7469
	forCap  = 0x6361
)

// reseed makes r the generator of one row and purpose.
func reseed(r *rand.PCG, seed uint64, row int, purpose uint64) {
	r.Seed(mix(seed^purpose), mix(uint64(row)))
}

// mix is the finaliser of SplitMix64: neighbouring rows get unrelated states.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
