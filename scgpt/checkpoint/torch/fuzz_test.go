package torch_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/internal/torchtest"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/torch"
	"github.com/seed-ab6af24b/troupe/scgpt/internal/alloctest"
)

// readAll reads every tensor of a file that opened: what Open accepts must be
// readable.
func readAll(t *testing.T, data []byte) {
	defer alloctest.Limit(t, alloctest.Most)()
	f, err := torch.Parse(data)
	if err != nil {
		return
	}
	for _, name := range f.Names() {
		tensor, ok := f.Tensor(name)
		require.True(t, ok)
		elements := 1
		for _, n := range tensor.Shape {
			elements *= n
		}
		require.Equal(t, elements, tensor.Len())
		values, err := tensor.Float32()
		require.NoError(t, err)
		require.Len(t, values, elements)
	}
}

func FuzzPickle(f *testing.F) {
	tensor := torchtest.Tensor{Class: "FloatStorage", Key: "0", Elements: 4, Shape: []int{2, 2}, Stride: []int{1, 2}}
	f.Add(torchtest.NewProgram().OrderedDict().String("x").Tensor(tensor).Op('s').Stop())
	tensor.Parameter = true
	f.Add(torchtest.NewProgram().Op('}', '(').String("x").Tensor(tensor).Op('u', 'N', 'b').Stop())
	f.Add([]byte("\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x93)R."))
	f.Add([]byte("cos\nsystem\n(S'id'\ntR."))
	f.Fuzz(func(t *testing.T, program []byte) {
		readAll(t, pickled(t, program))
	})
}

func FuzzArchive(f *testing.F) {
	f.Add(pickled(f, torchtest.NewProgram().Op('}').Stop()))
	f.Add(archive(f, torchtest.Entry{Name: "m/data.pkl", Data: []byte("}."), Deflate: true}))
	var small bytes.Buffer
	require.NoError(f, torchtest.StateDict(&small, []torchtest.Tensor{
		torchtest.Float32("x", []int{2}, []float32{1, 2}),
		torchtest.Contiguous("n", "LongStorage", nil, 1, make([]byte, 8)),
	}))
	f.Add(small.Bytes())
	f.Fuzz(readAll)
}
