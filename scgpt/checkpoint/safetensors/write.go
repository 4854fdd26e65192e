package safetensors

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// Write writes tensors as a safetensors file: types of more bytes first, then
// by name, so that every tensor is aligned and equal content gives equal
// bytes. metadata may be nil. A tensor whose data and shape disagree, or a name
// that occurs twice, is an [Error], found before anything is written.
func Write(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	sorted := slices.SortedFunc(slices.Values(tensors), func(a, b Tensor) int {
		return cmp.Or(cmp.Compare(b.DType.Size(), a.DType.Size()), cmp.Compare(a.Name, b.Name))
	})
	header, err := header(sorted, metadata)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(header)))
	// Flush returns the first error of all writes.
	_, _ = out.Write(length[:])
	_, _ = out.Write(header)
	for _, t := range sorted {
		if _, err := out.Write(t.Data); err != nil {
			return fmt.Errorf("failed to write tensor %q: %w", t.Name, err)
		}
	}
	return out.Flush()
}

func header(sorted []Tensor, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	if len(metadata) > 0 {
		encoded, err := json.Marshal(metadata)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", metadataKey, encoded)
	}
	seen := make(map[string]bool, len(sorted))
	at := int64(0)
	for _, t := range sorted {
		if seen[t.Name] || t.Name == metadataKey {
			return nil, t.errorf("the name is taken")
		}
		seen[t.Name] = true
		e := entry{DType: t.DType, Shape: make([]int64, len(t.Shape)), Offsets: []int64{0, int64(len(t.Data))}}
		for i, n := range t.Shape {
			e.Shape[i] = int64(n)
		}
		if _, err := e.tensor(t.Name, t.Data); err != nil {
			return nil, err
		}
		e.Offsets = []int64{at, at + int64(len(t.Data))}
		at = e.Offsets[1]
		name, err := json.Marshal(t.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	// Data begins at a multiple of a cache line: who maps the file reads it best.
	const line, length = 64, 8
	for (length+b.Len())%line != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > maxHeader {
		return nil, invalidf("the header would have %d bytes, more than the %d that are read", b.Len(), maxHeader)
	}
	return b.Bytes(), nil
}
