package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

const (
	// maxHeader is room for some 100,000 tensors; the reference allows 100 MB,
	// which costs a reader ten times as much memory.
	maxHeader = 16 << 20
	maxRank   = 32

	metadataKey = "__metadata__"
)

// entry is a tensor as the header describes it.
type entry struct {
	DType   DType   `json:"dtype"`
	Shape   []int64 `json:"shape"`
	Offsets []int64 `json:"data_offsets"`
}

func parse(data []byte) (map[string]Tensor, map[string]string, error) {
	if len(data) < 8 {
		return nil, nil, invalidf("%d bytes are too few for a safetensors file, which begins with the 8-byte length of its header", len(data))
	}
	length := binary.LittleEndian.Uint64(data)
	switch {
	case length > uint64(len(data)-8):
		return nil, nil, invalidf("the header is said to have %d bytes, but the file ends after %d", length, len(data)-8)
	case length > maxHeader:
		return nil, nil, invalidf("the header has %d bytes, more than the %d that are read", length, maxHeader)
	}
	header, body := data[8:8+length], data[8+length:]
	if len(header) == 0 || header[0] != '{' {
		return nil, nil, invalidf("the header does not begin with {")
	}

	tensors := map[string]Tensor{}
	var metadata map[string]string
	type span struct {
		name     string
		from, to int64
	}
	var spans []span
	dec := json.NewDecoder(bytes.NewReader(header))
	if _, err := dec.Token(); err != nil {
		return nil, nil, invalidf("header: %v", err)
	}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, nil, invalidf("header: %v", err)
		}
		name := token.(string) // the decoder hands out nothing else as a key
		if name == metadataKey {
			if metadata != nil {
				return nil, nil, invalidf("header: %s stands there twice", metadataKey)
			}
			metadata = map[string]string{}
			if err := dec.Decode(&metadata); err != nil {
				return nil, nil, invalidf("header: %s: %v", metadataKey, err)
			}
			continue
		}
		if _, twice := tensors[name]; twice {
			return nil, nil, invalidf("tensor %q stands in the header twice", name)
		}
		var e entry
		if err := dec.Decode(&e); err != nil {
			return nil, nil, invalidf("tensor %q: %v", name, err)
		}
		t, err := e.tensor(name, body)
		if err != nil {
			return nil, nil, err
		}
		tensors[name] = t
		spans = append(spans, span{name, e.Offsets[0], e.Offsets[1]})
	}
	if _, err := dec.Token(); err != nil {
		return nil, nil, invalidf("header: %v", err)
	}
	if rest := bytes.TrimLeft(header[dec.InputOffset():], " \x00"); len(rest) > 0 {
		return nil, nil, invalidf("header: %d bytes follow its JSON object", len(rest))
	}

	slices.SortFunc(spans, func(a, b span) int {
		if a.from != b.from {
			return int(min(max(a.from-b.from, -1), 1))
		}
		return int(min(max(a.to-b.to, -1), 1))
	})
	at := int64(0)
	for _, s := range spans {
		if s.from != at {
			return nil, nil, invalidf("tensor %q begins at byte %d of the data, but the one before ends at %d", s.name, s.from, at)
		}
		at = s.to
	}
	if at != int64(len(body)) {
		return nil, nil, invalidf("the tensors take %d bytes, but the file has %d behind its header", at, len(body))
	}
	return tensors, metadata, nil
}

func (e entry) tensor(name string, body []byte) (Tensor, error) {
	size := e.DType.Size()
	if size == 0 {
		return Tensor{}, invalidf("tensor %q: unknown dtype %q", name, e.DType)
	}
	if len(e.Offsets) != 2 {
		return Tensor{}, invalidf("tensor %q: data_offsets has %d numbers, 2 would be right", name, len(e.Offsets))
	}
	from, to := e.Offsets[0], e.Offsets[1]
	if from < 0 || to < from || to > int64(len(body)) {
		return Tensor{}, invalidf("tensor %q: data_offsets [%d, %d] lie outside the %d bytes of data", name, from, to, len(body))
	}
	if e.Shape == nil {
		return Tensor{}, invalidf("tensor %q: no shape", name)
	}
	if len(e.Shape) > maxRank {
		return Tensor{}, invalidf("tensor %q: %d dimensions, more than %d", name, len(e.Shape), maxRank)
	}
	shape := make([]int, len(e.Shape))
	need := int64(size)
	for i, n := range e.Shape {
		if n < 0 || n > math.MaxInt {
			return Tensor{}, invalidf("tensor %q: dimension %d is %d", name, i, n)
		}
		shape[i] = int(n)
		if n != 0 && need > math.MaxInt64/n {
			return Tensor{}, invalidf("tensor %q: shape %v is too large", name, e.Shape)
		}
		need *= n
	}
	if need != to-from {
		return Tensor{}, invalidf("tensor %q: shape %v of %s needs %d bytes, but data_offsets [%d, %d] hold %d", name, e.Shape, e.DType, need, from, to, to-from)
	}
	return Tensor{Name: name, DType: e.DType, Shape: shape, Data: body[from:to:to]}, nil
}

func invalidf(format string, args ...any) *Error {
	return &Error{Reason: fmt.Sprintf(format, args...)}
}
