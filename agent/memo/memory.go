package memo

import (
	"container/list"
	"sync"
)

// memory keeps encoded entries, those used last.
type memory struct {
	limit int64

	mu    sync.Mutex
	held  int64
	byID  map[string]*list.Element // of order
	order *list.List               // of *kept, used last first
}

type kept struct {
	id   string
	data []byte
}

func newMemory(limit int64) *memory {
	return &memory{limit: limit, byID: map[string]*list.Element{}, order: list.New()}
}

// takes reports whether an entry of the size is kept: one may have a quarter of
// the memory, so that it does not drive all others out.
func (m *memory) takes(size int64) bool { return size <= m.limit/4 }

func (m *memory) get(id string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.byID[id]
	if !ok {
		return nil, false
	}
	m.order.MoveToFront(e)
	return e.Value.(*kept).data, true
}

func (m *memory) put(id string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(id)
	m.byID[id] = m.order.PushFront(&kept{id, data})
	m.held += int64(len(data))
	for m.held > m.limit {
		m.drop(m.order.Back().Value.(*kept).id)
	}
}

func (m *memory) remove(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(id)
}

func (m *memory) drop(id string) {
	if e, ok := m.byID[id]; ok {
		m.held -= int64(len(e.Value.(*kept).data))
		m.order.Remove(e)
		delete(m.byID, id)
	}
}
