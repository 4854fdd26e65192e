package hdf5

import "sync"

// chunkCacheBytes is the most bytes of decoded chunks that a dataset keeps.
const chunkCacheBytes = 24 << 20

// A chunkCache holds the chunks that reads took only a part of, since the next
// read is likely to take the rest. The oldest go first.
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

// put keeps a chunk, one of at most the given number.
func (c *chunkCache) put(number uint64, b []byte, most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chunks == nil {
		c.chunks = map[uint64][]byte{}
	}
	if _, ok := c.chunks[number]; ok {
		return
	}
	for len(c.order) >= most {
		delete(c.chunks, c.order[0])
		c.order = c.order[1:]
	}
	c.chunks[number] = b
	c.order = append(c.order, number)
}
