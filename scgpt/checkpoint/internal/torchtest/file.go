package torchtest

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"strconv"
)

// Tensor is an entry of a state dict.
type Tensor struct {
	Name string
	// Class of the storage, FloatStorage say, and Key, its place in the
	// archive; tensors may share one.
	Class, Key string
	// Elements that the pickle says the storage has.
	Elements int
	// Data of the storage. nil: another tensor of the same key has it.
	Data          []byte
	Offset        int
	Shape, Stride []int
	Parameter     bool
}

// Float32 is a contiguous tensor with a storage of its own.
func Float32(name string, shape []int, values []float32) Tensor {
	data := make([]byte, 0, 4*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return Contiguous(name, "FloatStorage", shape, len(values), data)
}

// Contiguous is a contiguous tensor of any class with a storage of its own.
func Contiguous(name, class string, shape []int, elements int, data []byte) Tensor {
	stride := make([]int, len(shape))
	step := 1
	for i := len(shape) - 1; i >= 0; i-- {
		stride[i] = step
		step *= shape[i]
	}
	return Tensor{Name: name, Class: class, Elements: elements, Data: data, Shape: shape, Stride: stride}
}

// Entry is a file of an archive. Those that are not Deflate are stored.
type Entry struct {
	Name    string
	Data    []byte
	Deflate bool
}

// StateDict writes tensors as torch.save(state_dict, path) does. Those without a
// key get their index.
func StateDict(w io.Writer, tensors []Tensor) error {
	p := NewProgram().OrderedDict().Op('(')
	entries := []Entry{{}}
	for i, t := range tensors {
		if t.Key == "" {
			t.Key = strconv.Itoa(i)
		}
		p.String(t.Name).Tensor(t)
		if t.Data != nil {
			entries = append(entries, Entry{Name: "best_model/data/" + t.Key, Data: t.Data})
		}
	}
	entries[0] = Entry{Name: "best_model/data.pkl", Data: p.Op('u').Stop()}
	return Archive(w, append(entries, Entry{Name: "best_model/byteorder", Data: []byte("little")}))
}

// Archive writes a zip file whose entries begin at multiples of 64 bytes.
func Archive(w io.Writer, entries []Entry) error {
	counted := &counter{w: w}
	z := zip.NewWriter(counted)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.Name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(e.Data), UncompressedSize64: uint64(len(e.Data))}
		if e.Deflate {
			h.Method = zip.Deflate
			f, err := z.CreateHeader(h)
			if err != nil {
				return err
			}
			if _, err := f.Write(e.Data); err != nil {
				return err
			}
			continue
		}
		h.CompressedSize64 = h.UncompressedSize64
		if err := z.Flush(); err != nil {
			return err
		}
		// A local header is 30 bytes, the name and the extra field, itself
		// four bytes and the padding.
		pad := 64 - (counted.n+30+len(e.Name)+4)%64
		h.Extra = append([]byte{'F', 'B', byte(pad), 0}, bytes.Repeat([]byte{'Z'}, pad)...)
		f, err := z.CreateRaw(h)
		if err != nil {
			return err
		}
		if _, err := f.Write(e.Data); err != nil {
			return err
		}
	}
	return z.Close()
}

type counter struct {
	w io.Writer
	n int
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += n
	return n, err
}
