package lease

import (
	"slices"
	"sync"
)

// line is where the acquisitions of one process wait, first come first served.
type line struct {
	mu     sync.Mutex
	places []*place
}

// place is one acquisition's place in line.
type place struct {
	// turn is closed when the place becomes the first; nil for one that was
	// the first from the beginning.
	turn chan struct{}
}

func (l *line) join() *place {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &place{}
	if len(l.places) > 0 {
		p.turn = make(chan struct{})
	}
	l.places = append(l.places, p)
	return p
}

func (l *line) leave(p *place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.places, p)
	l.places = slices.Delete(l.places, i, i+1)
	if i == 0 && len(l.places) > 0 {
		close(l.places[0].turn)
	}
}

// ahead returns how many places are before p.
func (l *line) ahead(p *place) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Index(l.places, p)
}
