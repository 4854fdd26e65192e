package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
	"github.com/seed-ab6af24b/troupe/scgpt/internal/alloctest"
)

// file puts a header before data.
func file(header, data string) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

func TestOpenWrittenByReference(t *testing.T) {
	t.Parallel()
	f, err := safetensors.Open("../../../testdata/goldens/annotation.safetensors")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	require.Len(t, f.Names(), 22)

	cells, ok := f.Tensor("cell_index_in_test")
	require.True(t, ok)
	require.Equal(t, safetensors.I64, cells.DType)
	index, err := cells.Int64()
	require.NoError(t, err)
	require.Len(t, index, 20)

	mask, ok := f.Tensor("padding_mask")
	require.True(t, ok)
	require.Equal(t, []int{20, 323}, mask.Shape)
	bits, err := mask.Uint8()
	require.NoError(t, err)
	require.Len(t, bits, 20*323)

	ids, ok := f.Tensor("token_ids")
	require.True(t, ok)
	numbers, err := ids.Int32()
	require.NoError(t, err)
	require.EqualValues(t, 3001, numbers[0], "<cls>")

	_, ok = f.Tensor("nothing")
	require.False(t, ok)
	_, _, ok = f.Info("nothing")
	require.False(t, ok)
}

func TestFloat32Aliases(t *testing.T) {
	t.Parallel()
	f, err := safetensors.Open("../../../testdata/goldens/gene_embeddings.safetensors")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	rows, ok := f.Tensor("raw_rows")
	require.True(t, ok)
	first, err := rows.Float32()
	require.NoError(t, err)
	second, err := rows.Float32()
	require.NoError(t, err)
	require.Same(t, &first[0], &second[0])

	moved := rows
	moved.Data = append([]byte{0}, rows.Data...)[1:]
	copied, err := moved.Float32()
	require.NoError(t, err)
	require.Equal(t, first, copied, "unaligned data is copied")
}

func TestConversions(t *testing.T) {
	t.Parallel()
	le := binary.LittleEndian
	f64 := func(v float64) []byte { return le.AppendUint64(nil, math.Float64bits(v)) }
	inf := float32(math.Inf(1))
	for _, tc := range []struct {
		dtype safetensors.DType
		data  []byte
		want  float32
	}{
		{safetensors.F32, []byte{0, 0, 128, 63}, 1},
		{safetensors.F64, f64(0.1), 0.1},
		{safetensors.F64, f64(1e300), inf},
		{safetensors.F16, []byte{0x00, 0x3c}, 1},
		{safetensors.F16, []byte{0xff, 0x7b}, 65504},
		{safetensors.F16, []byte{0x01, 0x00}, 1.0 / (1 << 24)},
		{safetensors.F16, []byte{0xff, 0x83}, -1023.0 / (1 << 24)},
		{safetensors.F16, []byte{0x00, 0x04}, 1.0 / (1 << 14)},
		{safetensors.F16, []byte{0x00, 0x7c}, inf},
		{safetensors.F16, []byte{0x00, 0xfc}, -inf},
		{safetensors.BF16, []byte{0x80, 0x3f}, 1},
		{safetensors.BF16, []byte{0x49, 0xc0}, -3.140625},
		{safetensors.I64, le.AppendUint64(nil, uint64(math.MaxUint64)), -1},
		{safetensors.U64, le.AppendUint64(nil, math.MaxUint64), 18446744073709551615},
		{safetensors.I32, le.AppendUint32(nil, math.MaxUint32), -1},
		{safetensors.U32, le.AppendUint32(nil, math.MaxUint32), 4294967295},
		{safetensors.I16, []byte{255, 255}, -1},
		{safetensors.U16, []byte{255, 255}, 65535},
		{safetensors.I8, []byte{255}, -1},
		{safetensors.U8, []byte{255}, 255},
		{safetensors.Bool, []byte{1}, 1},
	} {
		got, err := safetensors.Tensor{DType: tc.dtype, Data: tc.data}.Float32()
		require.NoError(t, err)
		require.Equal(t, []float32{tc.want}, got, "%s %x", tc.dtype, tc.data)
	}
	got, err := safetensors.Tensor{DType: safetensors.F16, Data: []byte{0x01, 0x7e, 0x00, 0x80}}.Float32()
	require.NoError(t, err)
	require.True(t, math.IsNaN(float64(got[0])), "NaN stays NaN")
	require.True(t, got[1] == 0 && math.Signbit(float64(got[1])), "-0 stays -0")
}

func TestConversionErrors(t *testing.T) {
	t.Parallel()
	eight := safetensors.Tensor{Name: "x", DType: safetensors.F8E4M3, Data: []byte{1}}
	_, err := eight.Float32()
	require.ErrorContains(t, err, `tensor "x": elements of type F8_E4M3 cannot be read as float32`)
	_, err = eight.Int64()
	require.ErrorContains(t, err, "as int64")
	_, err = eight.Uint8()
	require.ErrorContains(t, err, "as bytes")
	wide := safetensors.Tensor{Name: "x", DType: safetensors.U32, Data: []byte{255, 255, 255, 255}}
	_, err = wide.Int32()
	require.ErrorContains(t, err, "element 0 = 4294967295 does not fit int32")
	require.ErrorContains(t, wide.ReadFloat32(make([]float32, 2), 0), "2 elements from 0 on")
	require.ErrorContains(t, wide.ReadFloat32(nil, -1), "0 elements from -1 on")
	_, err = safetensors.Tensor{DType: "F7"}.Float32()
	require.ErrorContains(t, err, "F7")
}

func TestParse(t *testing.T) {
	t.Parallel()
	f, err := safetensors.Parse(file(`{"__metadata__":{"a":"b"},"s":{"dtype":"U8","shape":[],"data_offsets":[2,3]},"e":{"dtype":"F32","shape":[0,7],"data_offsets":[2,2]},"v":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}  `, "abc"))
	require.NoError(t, err)
	require.Equal(t, []string{"e", "s", "v"}, f.Names())
	require.Equal(t, map[string]string{"a": "b"}, f.Metadata())
	s, _ := f.Tensor("s")
	require.Equal(t, "c", string(s.Data))
	require.Equal(t, 1, s.Len())
	e, _ := f.Tensor("e")
	require.Equal(t, []int{0, 7}, e.Shape)
	require.Zero(t, e.Len())
	require.NoError(t, f.Close())
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	one := func(entry string) []byte { return file(`{"x":`+entry+`}`, "abcd") }
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"short":             {[]byte("abc"), "3 bytes are too few"},
		"header too long":   {file("{}", "")[:9], "said to have 2 bytes, but the file ends after 1"},
		"header absurd":     {binary.LittleEndian.AppendUint64(nil, math.MaxUint64), "18446744073709551615 bytes"},
		"header too large":  {file("{"+strings.Repeat(" ", 16<<20)+"}", ""), "more than the 16777216"},
		"no object":         {file("[]", ""), "does not begin with {"},
		"empty header":      {file("", ""), "does not begin with {"},
		"broken":            {file(`{"x"`, ""), `tensor "x": EOF`},
		"unclosed":          {file(`{`, ""), "header:"},
		"rest":              {file(`{} x`, ""), "follow its JSON object"},
		"no entry":          {one(`1`), `tensor "x": json`},
		"no dtype":          {one(`{}`), `unknown dtype ""`},
		"unknown dtype":     {one(`{"dtype":"F7","shape":[4],"data_offsets":[0,4]}`), `unknown dtype "F7"`},
		"no offsets":        {one(`{"dtype":"U8","shape":[4]}`), "data_offsets has 0 numbers"},
		"three offsets":     {one(`{"dtype":"U8","shape":[4],"data_offsets":[0,4,5]}`), "data_offsets has 3 numbers"},
		"offsets beyond":    {one(`{"dtype":"U8","shape":[5],"data_offsets":[0,5]}`), "[0, 5] lie outside the 4 bytes"},
		"offsets reversed":  {one(`{"dtype":"U8","shape":[4],"data_offsets":[4,0]}`), "[4, 0] lie outside"},
		"offsets negative":  {one(`{"dtype":"U8","shape":[4],"data_offsets":[-1,3]}`), "[-1, 3] lie outside"},
		"no shape":          {one(`{"dtype":"U8","data_offsets":[0,4]}`), "no shape"},
		"negative shape":    {one(`{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}`), "dimension 0 is -4"},
		"fractional shape":  {one(`{"dtype":"U8","shape":[4.5],"data_offsets":[0,4]}`), "json"},
		"overflowing shape": {one(`{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,4]}`), "too large"},
		"wrapping shape":    {one(`{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}`), "too large"},
		"deep shape":        {one(`{"dtype":"U8","shape":[` + strings.Repeat("1,", 32) + `4],"data_offsets":[0,4]}`), "33 dimensions"},
		"size":              {one(`{"dtype":"F32","shape":[2],"data_offsets":[0,4]}`), "needs 8 bytes, but data_offsets [0, 4] hold 4"},
		"twice":             {file(`{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, "abcd"), `"x" stands in the header twice`},
		"hole":              {one(`{"dtype":"U8","shape":[3],"data_offsets":[1,4]}`), "begins at byte 1 of the data, but the one before ends at 0"},
		"overlap":           {file(`{"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"y":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}`, "abcd"), `"y" begins at byte 2`},
		"rest of data":      {one(`{"dtype":"U8","shape":[3],"data_offsets":[0,3]}`), "take 3 bytes, but the file has 4"},
		"bad metadata":      {file(`{"__metadata__":{"a":1}}`, ""), "__metadata__"},
		"metadata twice":    {file(`{"__metadata__":{},"__metadata__":{}}`, ""), "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := safetensors.Parse(tc.data)
			require.ErrorContains(t, err, tc.want)
			var invalid *safetensors.Error
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, "InvalidDataError", invalid.ErrorType())
		})
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := safetensors.Open(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	path := filepath.Join(dir, "bad")
	require.NoError(t, os.WriteFile(path, []byte("bad"), 0o600))
	_, err = safetensors.Open(path)
	require.ErrorContains(t, err, path+": 3 bytes are too few")
}

func TestWrite(t *testing.T) {
	t.Parallel()
	tensors := []safetensors.Tensor{
		{Name: "b", DType: safetensors.U8, Shape: []int{3}, Data: []byte("abc")},
		{Name: "c <é>", DType: safetensors.F32, Shape: []int{}, Data: []byte{0, 0, 128, 63}},
		{Name: "a", DType: safetensors.I64, Shape: []int{1, 1}, Data: make([]byte, 8)},
		{Name: "none", DType: safetensors.F32, Shape: []int{0}},
	}
	metadata := map[string]string{"format": "pt", "other": "x"}
	var out, again bytes.Buffer
	require.NoError(t, safetensors.Write(&out, tensors, metadata))
	tensors[0], tensors[2] = tensors[2], tensors[0]
	require.NoError(t, safetensors.Write(&again, tensors, metadata))
	require.Equal(t, out.Bytes(), again.Bytes(), "order does not matter")
	require.Zero(t, (8+binary.LittleEndian.Uint64(out.Bytes()))%8, "data is aligned")

	f, err := safetensors.Parse(out.Bytes())
	require.NoError(t, err)
	require.Equal(t, metadata, f.Metadata())
	for _, want := range tensors {
		got, ok := f.Tensor(want.Name)
		require.True(t, ok, want.Name)
		require.Equal(t, want.DType, got.DType)
		require.Equal(t, want.Shape, got.Shape)
		require.Equal(t, string(want.Data), string(got.Data))
	}
}

func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	whole := safetensors.Tensor{Name: "x", DType: safetensors.U8, Shape: []int{1}, Data: []byte{1}}
	for name, tc := range map[string]struct {
		tensors []safetensors.Tensor
		want    string
	}{
		"twice":    {[]safetensors.Tensor{whole, whole}, "the name is taken"},
		"reserved": {[]safetensors.Tensor{{Name: "__metadata__", DType: safetensors.U8, Data: []byte{1}}}, "the name is taken"},
		"size":     {[]safetensors.Tensor{{Name: "x", DType: safetensors.F32, Shape: []int{2}, Data: []byte{1}}}, "needs 8 bytes"},
		"dtype":    {[]safetensors.Tensor{{Name: "x", DType: "F7"}}, "unknown dtype"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			require.ErrorContains(t, safetensors.Write(&out, tc.tensors, nil), tc.want)
			require.Zero(t, out.Len())
		})
	}
	require.ErrorIs(t, safetensors.Write(fullDisk{}, []safetensors.Tensor{whole}, nil), errFull)
	large := whole
	large.Shape, large.Data = []int{1 << 20}, make([]byte, 1<<20)
	require.ErrorIs(t, safetensors.Write(fullDisk{}, []safetensors.Tensor{large}, nil), errFull)
}

var errFull = errors.New("no space left")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func FuzzParse(f *testing.F) {
	f.Add(file(`{"x":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}`, "abcd"))
	f.Add(file(`{"__metadata__":{"a":"b"},"x":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}  `, "a"))
	f.Add(file(`{"x":{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]}}`, ""))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer alloctest.Limit(t, alloctest.Most)()
		file, err := safetensors.Parse(data)
		if err != nil {
			return
		}
		var tensors []safetensors.Tensor
		for _, name := range file.Names() {
			tensor, ok := file.Tensor(name)
			require.True(t, ok)
			tensors = append(tensors, tensor)
			if values, err := tensor.Float32(); err == nil {
				require.Len(t, values, tensor.Len())
			}
		}
		// What can be read can be written, and reads the same.
		var out bytes.Buffer
		require.NoError(t, safetensors.Write(&out, tensors, file.Metadata()))
		again, err := safetensors.Parse(out.Bytes())
		require.NoError(t, err)
		require.Equal(t, file.Names(), again.Names())
		require.Len(t, again.Metadata(), len(file.Metadata()))
	})
}
