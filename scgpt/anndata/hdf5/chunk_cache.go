package hdf5

import "sync"

// chunkCacheBytes is how many bytes of decoded chunks a dataset keeps: those
// that a read took only a part of.
const chunkCacheBytes = 24 << 20

// A chunkCache holds decoded chunks, the oldest going first.
type chunkCache struct {
	mu     sync.Mutex
	chunks map[uint64][]byte
	order  []uint64
}

func (c *chunkCache) get(number uint64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.chunks[number]
}

func (c *chunkCache) put(number uint64, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chunks == nil {
		c.chunks = map[uint64][]byte{}
	}
	if _, ok := c.chunks[number]; ok {
		return
	}
	for len(c.order) > 0 && (len(c.order)+1)*len(b) > chunkCacheBytes {
		delete(c.chunks, c.order[0])
		c.order = c.order[1:]
	}
	c.chunks[number] = b
	c.order = append(c.order, number)
}
