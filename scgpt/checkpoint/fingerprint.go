package checkpoint

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"hash"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
)

// fingerprintVersion changes when the same model would get another digest.
const fingerprintVersion = "scgpt fingerprint 1"

// chunk is the number of elements that one digest covers: all cores hash a
// tensor, and one that is converted takes little memory.
const chunk = 1 << 18

// computeFingerprint hashes a header that names everything, and behind it the
// digests of the tensors' chunks.
func (c *Checkpoint) computeFingerprint() string {
	h := sha256.New()
	field(h, fingerprintVersion)
	args, _ := json.Marshal(c.args) // strings, whole and finite numbers: cannot fail
	field(h, string(args))
	number(h, c.vocab.Len())
	for _, token := range c.vocab.tokens {
		field(h, token)
	}
	number(h, len(c.labels))
	for _, label := range c.labels {
		field(h, label)
	}
	if len(c.batches) > 0 { // a model without them has the digest that it always had
		field(h, "batches")
		number(h, len(c.batches))
		for _, batch := range c.batches {
			field(h, batch)
		}
	}
	number(h, len(c.used))
	for _, name := range c.used {
		t := c.weights.tensors[name]
		field(h, name)
		number(h, len(t.Shape))
		for _, n := range t.Shape {
			number(h, n)
		}
	}
	for _, name := range c.used {
		if !digest(h, c.weights.tensors[name]) {
			return ""
		}
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// digest adds the digests of a tensor's chunks to h. It reports whether the
// weights could be read, which they cannot after Close.
func digest(h hash.Hash, t Tensor) bool {
	raw, ok := t.raw()
	if !ok {
		return false
	}
	sums := make([][sha256.Size]byte, (t.Len()+chunk-1)/chunk)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(sums)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(sums) {
					return
				}
				data := elements(raw, i*chunk, min((i+1)*chunk, t.Len()))
				sums[i] = sha256.Sum256(data)
				t.weights.source.Discard(data)
			}
		})
	}
	wg.Wait()
	for _, sum := range sums {
		h.Write(sum[:])
	}
	return true
}

// elements returns a range of a tensor as little-endian float32.
func elements(t safetensors.Tensor, from, to int) []byte {
	if t.DType == safetensors.F32 {
		return t.Data[4*from : 4*to]
	}
	values := make([]float32, to-from)
	if err := t.ReadFloat32(values, from); err != nil {
		return nil // used tensors are of types that convert
	}
	out := make([]byte, 0, 4*len(values))
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return out
}

func number(h hash.Hash, n int) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	h.Write(b[:])
}

// field writes a string with its length, so that no two lists of strings run
// together into the same bytes.
func field(h hash.Hash, s string) {
	number(h, len(s))
	h.Write([]byte(s))
}
