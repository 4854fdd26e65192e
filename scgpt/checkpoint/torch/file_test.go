package torch_test

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/internal/torchtest"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/torch"
)

func stateDict(t *testing.T, tensors ...torchtest.Tensor) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, torchtest.StateDict(&b, tensors))
	return b.Bytes()
}

func archive(t testing.TB, entries ...torchtest.Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, torchtest.Archive(&b, entries))
	return b.Bytes()
}

// pickled is an archive with that program and a storage "0" of 16 zero bytes.
func pickled(t testing.TB, program []byte) []byte {
	return archive(t,
		torchtest.Entry{Name: "m/data.pkl", Data: program},
		torchtest.Entry{Name: "m/data/0", Data: make([]byte, 16)})
}

func floats(t *testing.T, f *torch.File, name string) []float32 {
	t.Helper()
	tensor, ok := f.Tensor(name)
	require.True(t, ok, name)
	values, err := tensor.Float32()
	require.NoError(t, err)
	return values
}

func TestOpenWrittenByPyTorch(t *testing.T) {
	t.Parallel()
	f, err := torch.Open("../../../testdata/models/tiny_scgpt_dsbn/best_model.pt")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	require.Contains(t, f.Names(), "dsbn.bns.1.num_batches_tracked")
	tracked, ok := f.Tensor("dsbn.bns.1.num_batches_tracked")
	require.True(t, ok)
	require.Equal(t, safetensors.I64, tracked.DType)
	require.Empty(t, tracked.Shape)
	n, err := tracked.Int64()
	require.NoError(t, err)
	require.Len(t, n, 1)
	require.Positive(t, n[0])

	dtype, shape, ok := f.Info("encoder.embedding.weight")
	require.True(t, ok)
	require.Equal(t, safetensors.F32, dtype)
	require.Equal(t, []int{3003, 64}, shape)
	_, _, ok = f.Info("nothing")
	require.False(t, ok)
	_, ok = f.Tensor("nothing")
	require.False(t, ok)

	// Storages are aligned, so nothing is copied.
	first, second := floats(t, f, "encoder.embedding.weight"), floats(t, f, "encoder.embedding.weight")
	require.Same(t, &first[0], &second[0])
}

func TestDTypes(t *testing.T) {
	t.Parallel()
	le := binary.LittleEndian
	f64 := le.AppendUint64(le.AppendUint64(nil, math.Float64bits(1.5)), math.Float64bits(-2))
	i64 := le.AppendUint64(le.AppendUint64(nil, 7), uint64(math.MaxUint64))
	for name, tc := range map[string]struct {
		class string
		data  []byte
		dtype safetensors.DType
		want  []float32
	}{
		"float32":  {"FloatStorage", le.AppendUint32(le.AppendUint32(nil, 0x3fc00000), 0xc0000000), safetensors.F32, []float32{1.5, -2}},
		"float64":  {"DoubleStorage", f64, safetensors.F64, []float32{1.5, -2}},
		"float16":  {"HalfStorage", []byte{0x00, 0x3e, 0x00, 0xc0}, safetensors.F16, []float32{1.5, -2}},
		"bfloat16": {"BFloat16Storage", []byte{0xc0, 0x3f, 0x00, 0xc0}, safetensors.BF16, []float32{1.5, -2}},
		"int64":    {"LongStorage", i64, safetensors.I64, []float32{7, -1}},
		"int32":    {"IntStorage", []byte{7, 0, 0, 0, 255, 255, 255, 255}, safetensors.I32, []float32{7, -1}},
		"int16":    {"ShortStorage", []byte{7, 0, 255, 255}, safetensors.I16, []float32{7, -1}},
		"int8":     {"CharStorage", []byte{7, 255}, safetensors.I8, []float32{7, -1}},
		"uint8":    {"ByteStorage", []byte{7, 255}, safetensors.U8, []float32{7, 255}},
		"bool":     {"BoolStorage", []byte{1, 0}, safetensors.Bool, []float32{1, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := torch.Parse(stateDict(t, torchtest.Contiguous("x", tc.class, []int{2}, 2, tc.data)))
			require.NoError(t, err)
			require.NoError(t, f.Close())
			tensor, ok := f.Tensor("x")
			require.True(t, ok)
			require.Equal(t, tc.dtype, tensor.DType)
			require.Equal(t, tc.want, floats(t, f, "x"))
		})
	}
}

func TestViews(t *testing.T) {
	t.Parallel()
	base := torchtest.Float32("base", []int{2, 3}, []float32{0, 1, 2, 3, 4, 5})
	base.Key = "s"
	view := func(name string, offset int, shape, stride []int) torchtest.Tensor {
		return torchtest.Tensor{Name: name, Class: "FloatStorage", Key: "s", Elements: 6, Offset: offset, Shape: shape, Stride: stride}
	}
	parameter := torchtest.Float32("parameter", []int{2}, []float32{8, 9})
	parameter.Parameter = true
	f, err := torch.Parse(stateDict(t,
		base,
		view("transposed", 0, []int{3, 2}, []int{1, 3}),
		view("second row", 3, []int{3}, []int{1}),
		view("second column", 1, []int{2}, []int{3}),
		view("scalar", 4, nil, nil),
		view("empty", 6, []int{0, 3}, []int{3, 1}),
		view("any stride for length 1", 2, []int{1, 3}, []int{77, 1}),
		view("kept dimension", 0, []int{2, 1, 2}, []int{3, 9, 2}),
		parameter,
	))
	require.NoError(t, err)
	for name, want := range map[string][]float32{
		"base":                    {0, 1, 2, 3, 4, 5},
		"transposed":              {0, 3, 1, 4, 2, 5},
		"second row":              {3, 4, 5},
		"second column":           {1, 4},
		"scalar":                  {4},
		"empty":                   {},
		"any stride for length 1": {2, 3, 4},
		"kept dimension":          {0, 2, 3, 5},
		"parameter":               {8, 9},
	} {
		require.Equal(t, want, floats(t, f, name), name)
	}
	require.Len(t, f.Names(), 9)
	require.True(t, slices.IsSorted(f.Names()))
}

func TestRefusesViews(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		offset        int
		shape, stride []int
		want          string
	}{
		"behind the storage":  {2, []int{3}, []int{1}, "reaches element 4 of storage \"0\", which has 4"},
		"stride too large":    {0, []int{2}, []int{4}, "reaches element 4"},
		"offset too large":    {5, []int{1}, []int{1}, "begins at element 5"},
		"negative offset":     {-1, []int{1}, []int{1}, "begins at element -1"},
		"negative size":       {0, []int{-2}, []int{1}, "size holds -2"},
		"negative stride":     {3, []int{2}, []int{-1}, "stride holds -1"},
		"rank":                {0, []int{2, 2}, []int{1}, "2 sizes, but 1 strides"},
		"expanded":            {0, []int{1000, 1000}, []int{0, 0}, "more elements than the 4"},
		"overflowing product": {0, []int{1 << 30, 1 << 30}, []int{0, 0}, "more elements than the 4"},
		"overflowing reach":   {0, []int{2, 2}, []int{math.MaxInt - 1, math.MaxInt - 1}, "overflows"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := torch.Parse(stateDict(t, torchtest.Tensor{
				Name: "x", Class: "FloatStorage", Elements: 4, Data: make([]byte, 16),
				Offset: tc.offset, Shape: tc.shape, Stride: tc.stride,
			}))
			require.ErrorContains(t, err, tc.want)
		})
	}
	many := make([]int, 33)
	_, err := torch.Parse(stateDict(t, torchtest.Tensor{Name: "x", Class: "FloatStorage", Data: []byte{}, Shape: many, Stride: many}))
	require.ErrorContains(t, err, "33 dimensions")
}

// program begins a dict with one pair, whose key is pushed.
func program() *torchtest.Program { return torchtest.NewProgram().Op('}').String("x") }

func TestRefusesPrograms(t *testing.T) {
	t.Parallel()
	tensor := torchtest.Tensor{Class: "FloatStorage", Key: "0", Elements: 4, Shape: []int{4}, Stride: []int{1}}
	new := torchtest.NewProgram
	for name, tc := range map[string]struct {
		program []byte
		want    string
	}{
		"os.system":            {new().Global("os", "system").String("id").Op(0x85, 'R').Stop(), `byte 2: refers to "os.system"`},
		"builtins by stack":    {new().String("builtins").String("eval").Op(0x93).Stop(), `refers to "builtins.eval"`},
		"whole model":          {new().Global("scgpt.model.model", "TransformerModel").Stop(), "save model.state_dict(), not the model"},
		"long name":            {new().Global("a", string(bytes.Repeat([]byte("x"), 500))).Stop(), "…"},
		"endless name":         {append([]byte("c"), bytes.Repeat([]byte("x"), 5000)...), "name does not end"},
		"INST":                 {new().Op('i').Stop(), "opcode 0x69"},
		"NEWOBJ":               {new().Op(0x81).Stop(), "opcode 0x81"},
		"EXT":                  {new().Op(0x82, 1).Stop(), "opcode 0x82"},
		"unknown protocol":     {[]byte{0x80, 9, '.'}, "protocol 9"},
		"empty":                {nil, "ends within an instruction"},
		"no stop":              {new().Op('}').Bytes(), "ends within an instruction"},
		"empty stack":          {new().Stop(), "stack is empty"},
		"open mark":            {new().Op('(', '}').Stop(), "open marks"},
		"pop":                  {new().Op('0').Stop(), "stack is empty"},
		"mark guards values":   {new().Op('}', '(', '0').Stop(), "stack is empty"},
		"tuple without mark":   {new().Op('t').Stop(), "no mark"},
		"short tuple":          {new().Op('N', 0x87).Stop(), "a tuple of 3 from a stack of 1"},
		"string too long":      {new().Op('X', 255, 255, 255, 255).Stop(), "a string of 4294967295 bytes"},
		"short string":         {new().Op(0x8c, 200, 'x').Stop(), "a string of 200 bytes"},
		"huge integer":         {new().Op(0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1).Stop(), "an integer of 9 bytes"},
		"memo hole":            {new().Op('N', 'r', 0, 0, 0, 255).Stop(), "memo 4278190080 is written before"},
		"memo unread":          {new().Op('h', 3).Stop(), "memo 3 is read"},
		"memo of nothing":      {new().Op('q', 0).Stop(), "nothing to remember"},
		"call of a string":     {new().String("x").Op(')', 'R').Stop(), "no global"},
		"call without tuple":   {new().Global("collections", "OrderedDict").Op('N', 'R').Stop(), "no tuple"},
		"call of a storage":    {new().Global("torch", "FloatStorage").Op(')', 'R').Stop(), `a call of "torch.FloatStorage"`},
		"dict with arguments":  {new().Global("collections", "OrderedDict").Op('N', 0x85, 'R').Stop(), "OrderedDict made of 1"},
		"parameter of nothing": {new().Global("torch._utils", "_rebuild_parameter").Op(')', 'R').Stop(), "a parameter without a tensor"},
		"tensor of nothing":    {new().Global("torch._utils", "_rebuild_tensor_v2").Op(')', 'R').Stop(), "a tensor is made of 0"},
		"tensor of a string":   {new().Global("torch._utils", "_rebuild_tensor_v2").Op('(').String("x").Int(0).Ints(nil).Ints(nil).Op('t', 'R').Stop(), "without a storage"},
		"shape no tuple":       {new().Global("torch._utils", "_rebuild_tensor_v2").Op('(').Storage("FloatStorage", "0", 4).Int(0).Int(4).Int(1).Op('t', 'R').Stop(), "size is no tuple"},
		"id no tuple":          {new().Op('N', 'Q').Stop(), "no tuple"},
		"id no storage":        {new().Op(')', 'Q').Stop(), "no storage"},
		"id of wrong kinds":    {new().Op('(').String("storage").Op('N', 'N', 'N', 'N', 't', 'Q').Stop(), "wrong kind"},
		"id of a tuple":        {new().Op('(', ')', 'N', 'N', 'N', 'N', 't', 'Q').Stop(), "no storage"},
		"class of a function":  {new().Op('(').String("storage").Global("collections", "OrderedDict").String("0").String("cpu").Int(4).Op('t', 'Q').Stop(), "no class of storages"},
		"storage missing":      {new().Storage("FloatStorage", "1", 4).Stop(), `lacks storage "m/data/1"`},
		"storage too small":    {new().Storage("FloatStorage", "0", 5).Stop(), "has 16 bytes, the pickle says 20"},
		"storage absurd":       {new().Storage("FloatStorage", "0", math.MaxInt64).Stop(), "has 9223372036854775807 elements"},
		"storage negative":     {new().Storage("FloatStorage", "0", -1).Stop(), "has -1 elements"},
		"storage of two types": {new().Storage("FloatStorage", "0", 4).Storage("IntStorage", "0", 4).Stop(), "4 of F32 here, 4 of I32 there"},
		"state of a list":      {new().Op(']', 'N', 'b').Stop(), "no dict"},
		"state of nothing":     {new().Op('N', 'b').Stop(), "without an object"},
		"append to a dict":     {new().Op('}', 'N', 'a').Stop(), "no list"},
		"append to nothing":    {new().Op('N', 'a').Stop(), "without a list"},
		"item of a list":       {new().Op(']', 'N', 'N', 's').Stop(), "no dict"},
		"item of nothing":      {new().Op('N', 'N', 's').Stop(), "without a dict"},
		"key without value":    {new().Op('}', '(', 'N', 'u').Stop(), "a key without a value"},
		"two items expected":   {new().Op('N', 's').Stop(), "2 values were expected"},
		"not a dict":           {new().Op(']').Stop(), "no dict of tensors"},
		"empty dict":           {new().Op('}').Stop(), "a dict without tensors"},
		"dict of numbers":      {program().Int(1).Op('s').Stop(), "a dict without tensors"},
		"name no string":       {new().Op('}', 'N').Tensor(tensor).Op('s').Stop(), "name is no string"},
		"twice":                {program().Tensor(tensor).Op('s').String("x").Tensor(tensor).Op('s').Stop(), `tensor "x" is there twice`},
		"deep stack":           {append([]byte{0x80, 2}, bytes.Repeat([]byte{'N'}, 1<<20+1)...), "on the stack"},
		"many marks":           {append([]byte{0x80, 2}, bytes.Repeat([]byte{'('}, 1<<20+1)...), "marks"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := torch.Parse(pickled(t, tc.program))
			require.ErrorContains(t, err, tc.want)
			var typed interface{ ErrorType() string }
			require.ErrorAs(t, err, &typed)
			require.Equal(t, "InvalidDataError", typed.ErrorType())
		})
	}
}

// What writers of other protocols and training scripts put around the tensors.
func TestAccepts(t *testing.T) {
	t.Parallel()
	tensor := torchtest.Tensor{Class: "FloatStorage", Key: "0", Elements: 4, Shape: []int{4}, Stride: []int{1}}
	new := torchtest.NewProgram
	inner := func(p *torchtest.Program) *torchtest.Program {
		return p.Op('}').String("x").Tensor(tensor).Op('s')
	}
	cyclic := new().Op('}', 'q', 0).String("x").Tensor(tensor).Op('s').String("self").Op('h', 0, 's').Stop()
	for name, p := range map[string][]byte{
		"wrapped":         inner(new().Op('}').String("epoch").Int(3).Op('s').String("model_state_dict")).Op('s').Stop(),
		"beside an epoch": inner(new()).String("epoch").Op('G', 0, 0, 0, 0, 0, 0, 0, 0, 's').Stop(),
		"metadata":        inner(new()).Op('}').String("_metadata").OrderedDict().Op('s', 'b').Stop(),
		"frame, memoize":  inner(new().Op(0x95, 0, 0, 0, 0, 0, 0, 0, 0, 'N', 0x94, '0')).Stop(),
		"lists":           inner(new()).String("l").Op(']', 'N', 'a', '(', 'N', 0x88, 'e', 's').Stop(),
		"popped mark":     inner(new().Op('(', 'N', '1')).Stop(),
		"cycle":           cyclic,
		"integers":        inner(new()).String("n").Int(1<<40).Op('s').String("z").Op(0x8a, 0, 's').String("m").Op(0x8a, 1, 0xff, 's').Stop(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := torch.Parse(pickled(t, p))
			require.NoError(t, err)
			require.Equal(t, []string{"x"}, f.Names())
			require.Equal(t, []float32{0, 0, 0, 0}, floats(t, f, "x"))
		})
	}
}

func TestRefusesFiles(t *testing.T) {
	t.Parallel()
	dict := torchtest.NewProgram().Op('}').Stop()
	whole := stateDict(t, torchtest.Float32("x", []int{1}, []float32{1}))
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"empty":          {nil, "the file is empty"},
		"before 1.6":     {[]byte("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03."), "before 1.6"},
		"a web page":     {[]byte("<!DOCTYPE html><html>Google Drive can't scan this file"), "a web page"},
		"an LFS file":    {[]byte("version https://git-lfs.github.com/spec/v1\noid sha256:1\n"), "git lfs pull"},
		"no zip":         {[]byte("something else"), "not a whole zip archive"},
		"cut":            {whole[:len(whole)-30], "not a whole zip archive"},
		"no pickle":      {archive(t, torchtest.Entry{Name: "m/version", Data: []byte("3")}), "no data.pkl"},
		"two pickles":    {archive(t, torchtest.Entry{Name: "a/data.pkl", Data: dict}, torchtest.Entry{Name: "b/data.pkl", Data: dict}), "more than one data.pkl"},
		"an entry twice": {archive(t, torchtest.Entry{Name: "a/x"}, torchtest.Entry{Name: "a/x"}), `holds "a/x" twice`},
		"big-endian":     {archive(t, torchtest.Entry{Name: "m/data.pkl", Data: dict}, torchtest.Entry{Name: "m/byteorder", Data: []byte("big")}), `byte order is "big"`},
		"large pickle":   {archive(t, torchtest.Entry{Name: "m/data.pkl", Data: make([]byte, 5<<20)}), "more than the 4194304"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := torch.Parse(tc.data)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestDeflated(t *testing.T) {
	t.Parallel()
	tensor := torchtest.Tensor{Class: "FloatStorage", Key: "0", Elements: 1 << 20, Shape: []int{1 << 20}, Stride: []int{1}}
	one := func(n int) []byte {
		tensor.Elements, tensor.Shape = n, []int{n}
		return torchtest.NewProgram().Op('}').String("x").Tensor(tensor).Op('s').Stop()
	}
	f, err := torch.Parse(archive(t,
		torchtest.Entry{Name: "m/data.pkl", Data: one(1000), Deflate: true},
		torchtest.Entry{Name: "m/data/0", Data: bytes.Repeat([]byte{0, 0, 128, 63}, 1000), Deflate: true}))
	require.NoError(t, err)
	require.Equal(t, slices.Repeat([]float32{1}, 1000), floats(t, f, "x"))

	_, err = torch.Parse(archive(t,
		torchtest.Entry{Name: "m/data.pkl", Data: one(1 << 20)},
		torchtest.Entry{Name: "m/data/0", Data: make([]byte, 4<<20), Deflate: true}))
	require.ErrorContains(t, err, "would grow to 4194304 bytes")
}

// A directory's fields are the file's claims: sizes and places must be checked.
func TestRefusesLyingDirectories(t *testing.T) {
	t.Parallel()
	whole := stateDict(t, torchtest.Float32("x", []int{4}, []float32{1, 2, 3, 4}))
	central := bytes.LastIndex(whole, []byte("PK\x01\x02")) // of byteorder
	for name, tc := range map[string]struct {
		at   int
		with uint32
		want string
	}{
		"sizes differ":  {20, 1, "sizes 1 and 6 differ"},
		"past the end":  {20, 1 << 30, "reaches past the end"},
		"header beyond": {42, 1 << 30, "byteorder"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := bytes.Clone(whole)
			binary.LittleEndian.PutUint32(bad[central+tc.at:], tc.with)
			_, err := torch.Parse(bad)
			require.ErrorContains(t, err, tc.want)
		})
	}
	method := bytes.Clone(whole)
	method[central+10] = 12
	_, err := torch.Parse(method)
	require.ErrorContains(t, err, "method 12")
	encrypted := bytes.Clone(whole)
	encrypted[central+8] |= 1
	_, err = torch.Parse(encrypted)
	require.ErrorContains(t, err, "encrypted")
}

func TestDirectoryIsBounded(t *testing.T) {
	t.Parallel()
	entries := make([]torchtest.Entry, 1<<16)
	for i := range entries {
		entries[i].Name = "m/data/" + string(binary.BigEndian.AppendUint32([]byte("0123456789"), uint32(i)))
	}
	_, err := torch.Parse(archive(t, entries...))
	require.ErrorContains(t, err, "directory is larger than")
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := torch.Open(filepath.Join(dir, "none.pt"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	path := filepath.Join(dir, "bad.pt")
	require.NoError(t, os.WriteFile(path, []byte("bad"), 0o600))
	_, err = torch.Open(path)
	require.ErrorContains(t, err, path+": not a whole zip archive")
}
