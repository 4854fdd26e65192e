package registry

import (
	"math/rand/v2"
	"time"
)

// BackOff says how long to wait between attempts to start an agent: first
// Initial, then twice as long each time, at most Max. Each delay is shortened
// by a random part of up to a half, so that many agents do not come back in
// step. It begins anew once an agent has been ready for longer than Max.
type BackOff struct {
	Initial time.Duration // default DefaultBackOffInitial
	Max     time.Duration // default DefaultBackOffMax
}

// delay returns how long to wait after the nth failure in a row, from 1 on.
func (b BackOff) delay(n int) time.Duration {
	d := b.Initial
	for range n - 1 {
		if d >= b.Max/2 {
			d = b.Max
			break
		}
		d *= 2
	}
	d = min(d, b.Max)
	return d - rand.N(d/2+1)
}
