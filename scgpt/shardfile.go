package scgpt

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-ab6af24b/troupe/scgpt/engine"
)

// A shard file holds the embeddings of a run of cells:
//
//	"troupe-shard-1\n"
//	length of the header, 4 bytes little-endian
//	header, JSON (shardHeader)
//	vectors, then logits: float32 little-endian, row by row
//	SHA-256 of everything before
//
// It is written beside its final name, synced and renamed, so that under its
// name it is whole; the sum guards against what a disk may do later.
const shardMagic = "troupe-shard-1\n"

// maxShardHeader bounds the header: at most 11 bytes for each empty cell, of which
// a shard has up to engine.MaxShardCells (2.9 MB), and the names of the chosen
// genes (maxChoice).
const maxShardHeader = 4 << 20

// shardKey says what a shard was computed from and by what: a file is taken
// only where all of it is equal.
type shardKey struct {
	From        int            `json:"from"`
	To          int            `json:"to"`
	Input       string         `json:"input"`
	Fingerprint string         `json:"fingerprint"`
	DeviceClass string         `json:"device_class"`
	Options     engine.Options `json:"options"`
	Version     string         `json:"version"`
}

// maxRow bounds the values of a row, against sizes that overflow.
const maxRow = 1 << 20

type shardHeader struct {
	Key       shardKey `json:"key"`
	Dim       int      `json:"dim"`
	Classes   int      `json:"classes"`
	Tokens    int64    `json:"tokens"`
	Truncated int      `json:"truncated"`
	Empty     []int    `json:"empty,omitempty"`
}

// errShardMismatch is what readShard wraps for a file of other content, with what
// differs.
var errShardMismatch = errors.New("the shard file belongs to other work")

// difference says what of a shard's key is not as wanted: the names as in the
// file's header, each with what was found and what was wanted.
func (k shardKey) difference(want shardKey) string {
	found, wanted := k.fields(), want.fields()
	var list []string
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if f, w := found[name], wanted[name]; f != w {
			list = append(list, fmt.Sprintf("%s is %s, want %s", name, shortened(f), shortened(w)))
		}
	}
	return strings.Join(list, "; ")
}

// fields are the fields of the key and of its options, by their names in the header.
func (k shardKey) fields() map[string]string {
	fields := map[string]string{
		"from": strconv.Itoa(k.From), "to": strconv.Itoa(k.To), "input": k.Input, "fingerprint": k.Fingerprint,
		"device_class": k.DeviceClass, "version": k.Version,
	}
	o := reflect.ValueOf(k.Options)
	for i := range o.NumField() {
		name, _, _ := strings.Cut(o.Type().Field(i).Tag.Get("json"), ",")
		fields["options."+name] = fmt.Sprint(o.Field(i))
	}
	return fields
}

// shortened quotes a value; of a long one, such as a list of genes, its beginning
// and its sum.
func shortened(value string) string {
	if len(value) <= 80 {
		return strconv.Quote(value)
	}
	return fmt.Sprintf("%q… (%d bytes, SHA-256 %.8x)", value[:40], len(value), sha256.Sum256([]byte(value)))
}

func writeShard(path string, key shardKey, e *engine.Embeddings) (err error) {
	header, err := json.Marshal(shardHeader{Key: key, Dim: e.Dim, Classes: e.Classes, Tokens: e.Tokens, Truncated: e.Truncated, Empty: e.Empty})
	if err != nil {
		return err
	}
	if len(header) > maxShardHeader {
		return fmt.Errorf("%s: a header of %d bytes, more than %d", path, len(header), maxShardHeader)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	sum := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<16)
	_, _ = w.WriteString(shardMagic)
	_ = binary.Write(w, binary.LittleEndian, uint32(len(header)))
	_, _ = w.Write(header)
	writeFloats(w, e.Vectors)
	writeFloats(w, e.Logits)
	if err = w.Flush(); err != nil { // holds the first error of the writes above
		return err
	}
	if _, err = f.Write(sum.Sum(nil)); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func writeFloats(w *bufio.Writer, values []float32) {
	var b [4]byte
	for _, v := range values {
		binary.LittleEndian.PutUint32(b[:], math.Float32bits(v))
		_, _ = w.Write(b[:])
	}
}

// readShard reads the file of a shard. Only the cells, input, model, options
// and version of want must match where anyClass is true: the shards of one
// result may come from several device classes, but a shard that is to be
// computed is taken only from the same class.
func readShard(path string, want shardKey, anyClass bool) (*engine.Embeddings, string, error) {
	// Opening a pipe would wait for its writer.
	if info, err := os.Stat(path); err != nil {
		return nil, "", err
	} else if !info.Mode().IsRegular() {
		return nil, "", fmt.Errorf("%s: no file, but %v", path, info.Mode())
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, "", err
	}
	sum := sha256.New()
	r := &shardReader{r: bufio.NewReaderSize(f, 1<<16), sum: sum}
	head := r.bytes(len(shardMagic) + 4)
	if r.err != nil || !bytes.HasPrefix(head, []byte(shardMagic)) {
		return nil, "", fmt.Errorf("%s: not a shard file", path)
	}
	n := binary.LittleEndian.Uint32(head[len(shardMagic):])
	if n > maxShardHeader {
		return nil, "", fmt.Errorf("%s: a header of %d bytes, more than %d", path, n, maxShardHeader)
	}
	var h shardHeader
	if raw := r.bytes(int(n)); r.err != nil || json.Unmarshal(raw, &h) != nil {
		return nil, "", fmt.Errorf("%s: the header is damaged", path)
	}
	class := h.Key.DeviceClass
	if anyClass {
		want.DeviceClass = class
	}
	if h.Key != want {
		return nil, "", fmt.Errorf("%s: %w: %s", path, errShardMismatch, h.Key.difference(want))
	}
	cells := h.Key.To - h.Key.From
	size := int64(len(head)) + int64(n) + int64(cells)*(int64(h.Dim)+int64(h.Classes))*4 + sha256.Size
	if h.Dim < 0 || h.Dim > maxRow || h.Classes < 0 || h.Classes > maxRow || cells < 0 || size != info.Size() {
		return nil, "", fmt.Errorf("%s: %d bytes, but its header speaks of %d", path, info.Size(), size)
	}
	e := &engine.Embeddings{
		From: h.Key.From, To: h.Key.To, Dim: h.Dim, Classes: h.Classes,
		Tokens: h.Tokens, Truncated: h.Truncated, Empty: h.Empty,
		Vectors: r.floats(cells * h.Dim), Logits: r.floats(cells * h.Classes),
	}
	got := sum.Sum(nil)
	r.sum = nil
	if stored := r.bytes(sha256.Size); r.err != nil || !bytes.Equal(stored, got) {
		return nil, "", fmt.Errorf("%s: the checksum does not match", path)
	}
	return e, class, nil
}

// shardReader reads and sums; the first error sticks.
type shardReader struct {
	r   io.Reader
	sum hash.Hash
	err error
}

func (r *shardReader) bytes(n int) []byte {
	b := make([]byte, n)
	if r.err == nil {
		_, r.err = io.ReadFull(r.r, b)
	}
	if r.sum != nil {
		_, _ = r.sum.Write(b) // never fails (hash.Hash)
	}
	return b
}

func (r *shardReader) floats(n int) []float32 {
	values := make([]float32, n)
	raw := r.bytes(4 * n)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return values
}
