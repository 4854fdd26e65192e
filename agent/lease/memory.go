package lease

import (
	"sync"
	"time"
)

// memory holds the tokens of one process.
type memory struct {
	mu     sync.Mutex
	tokens []*Holder // nil where a token is free
}

func newMemory(tokens int) *memory { return &memory{tokens: make([]*Holder, tokens)} }

func (m *memory) take(h Holder) (put func(), ok bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, taken := range m.tokens {
		if taken == nil {
			m.tokens[i] = &h
			return func() { m.put(i) }, true, nil
		}
	}
	return nil, false, nil
}

func (m *memory) put(i int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tokens[i] = nil
}

func (m *memory) leave()               {}
func (m *memory) pause() time.Duration { return 0 }
func (m *memory) capacity() int        { return len(m.tokens) }

func (m *memory) holders() (all []Holder, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range m.tokens {
		if h != nil {
			all = append(all, *h)
		}
	}
	return all, nil
}
