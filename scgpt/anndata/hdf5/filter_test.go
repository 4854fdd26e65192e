package hdf5

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

func deflated(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, err := w.Write(b)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func TestLookup3(t *testing.T) {
	t.Parallel()
	// Bob Jenkins' own test values for hashlittle with initial value 0.
	require.EqualValues(t, 0xdeadbeef, lookup3(nil))
	require.EqualValues(t, 0x17770551, lookup3([]byte("Four score and seven years ago")))
}

func TestFletcher32(t *testing.T) {
	t.Parallel()
	// The usual examples, "abcdef" and "abcde", have little-endian words.
	require.EqualValues(t, 0x56502D2A, fletcher32([]byte("badcfe")))
	require.Equal(t, uint32(0xF04FC729), fletcher32([]byte("badc\x00e")))
	// An odd last byte is the high one of its word.
	require.Equal(t, fletcher32([]byte("abc\x00")), fletcher32([]byte("abc")))
}

func TestUnfilter(t *testing.T) {
	t.Parallel()
	plain := make([]byte, 4001)
	for i := range plain {
		plain[i] = byte(i / 7)
	}
	shuffled := shuffle(plain, 4)
	require.Equal(t, plain, unshuffle(new(steps), shuffled, 4))
	for _, width := range []int{1, 2, 3, 8, 5000} {
		require.Equal(t, plain, unshuffle(new(steps), shuffle(plain, width), width), width)
	}
	z, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	frame := z.EncodeAll(plain, nil)
	require.NoError(t, z.Close())
	sum := binary.LittleEndian.AppendUint32(bytes.Clone(plain), fletcher32(plain))
	deflate, shuffling, check := Filter{ID: FilterDeflate}, Filter{FilterShuffle, []uint32{4}}, Filter{ID: FilterFletcher32}

	for name, tc := range map[string]struct {
		filters []Filter
		mask    uint32
		stored  []byte
	}{
		"none":            {nil, 0, plain},
		"deflate":         {[]Filter{deflate}, 0, deflated(t, plain)},
		"masked out":      {[]Filter{deflate}, 1, plain},
		"shuffle, masked": {[]Filter{shuffling, deflate}, 2, shuffled},
		"shuffle deflate": {[]Filter{shuffling, deflate}, 0, deflated(t, shuffled)},
		"fletcher":        {[]Filter{check}, 0, sum},
		"sum, deflate":    {[]Filter{check, deflate}, 0, deflated(t, sum)},
		"deflate, sum": {[]Filter{deflate, check}, 0,
			binary.LittleEndian.AppendUint32(deflated(t, plain), fletcher32(deflated(t, plain)))},
		"zstd":          {[]Filter{{ID: FilterZstd}}, 0, frame},
		"deflate twice": {[]Filter{deflate, deflate}, 0, deflated(t, deflated(t, plain))},
	} {
		for _, room := range []*steps{{}, {make([]byte, 10), nil}, {bytes.Repeat([]byte{7}, 10_000), bytes.Repeat([]byte{8}, 10_000)}} {
			got, err := unfilter(tc.filters, tc.mask, bytes.Clone(tc.stored), room, len(plain), 4)
			require.NoError(t, err, name)
			require.Equal(t, plain, got, name)
		}
	}

	bomb := deflated(t, make([]byte, 1<<20))
	for name, tc := range map[string]struct {
		filter Filter
		stored []byte
		want   string
	}{
		"deflate bomb":  {deflate, bomb, "more than 4001 bytes"},
		"short":         {deflate, deflated(t, plain[:100]), "decodes to 100 bytes, want 4001"},
		"no stream":     {deflate, []byte("nothing"), "deflate:"},
		"cut":           {deflate, deflated(t, plain)[:40], "decodes to"},
		"bad sum":       {check, append(bytes.Clone(plain), 1, 2, 3, 4), "checksum"},
		"no sum":        {check, []byte{1}, "a chunk of 1 bytes"},
		"zstd bomb":     {Filter{ID: FilterZstd}, z.EncodeAll(make([]byte, 1<<20), nil), "at most 4001 fit"},
		"no frame":      {Filter{ID: FilterZstd}, []byte("nothing"), "zstd:"},
		"lzf bomb":      {Filter{ID: FilterLZF}, append([]byte{0, 7}, bytes.Repeat([]byte{0xE0, 255, 0}, 100)...), "more than 4001 bytes"},
		"lzf literal":   {Filter{ID: FilterLZF}, []byte{31, 1}, "beyond its chunk"},
		"lzf reference": {Filter{ID: FilterLZF}, []byte{0x20, 9}, "before the start"},
		"lzf end":       {Filter{ID: FilterLZF}, []byte{0, 1, 0xE0}, "ends early"},
		"unknown":       {Filter{ID: 32001}, plain, "filter 32001 (blosc) is not supported"},
	} {
		_, err := unfilter([]Filter{tc.filter}, 0, tc.stored, new(steps), len(plain), 4)
		require.ErrorContains(t, err, tc.want, name)
	}
}

func TestConvert(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		typ  Datatype
		raw  []byte
		want []int64
	}{
		"int8":    {Datatype{Class: ClassInt, Size: 1, Signed: true}, []byte{255, 1}, []int64{-1, 1}},
		"uint8":   {Datatype{Class: ClassInt, Size: 1}, []byte{255, 1}, []int64{255, 1}},
		"int16":   {Datatype{Class: ClassInt, Size: 2, Signed: true}, []byte{254, 255}, []int64{-2}},
		"uint16":  {Datatype{Class: ClassInt, Size: 2}, []byte{254, 255}, []int64{65534}},
		"int16be": {Datatype{Class: ClassInt, Size: 2, Signed: true, BigEndian: true}, []byte{1, 2}, []int64{258}},
		"int32":   {Datatype{Class: ClassInt, Size: 4, Signed: true}, []byte{1, 0, 0, 128}, []int64{-2147483647}},
		"uint32":  {Datatype{Class: ClassInt, Size: 4}, []byte{1, 0, 0, 128}, []int64{2147483649}},
		"int64":   {Datatype{Class: ClassInt, Size: 8, Signed: true}, []byte{1, 0, 0, 0, 1, 0, 0, 0}, []int64{1<<32 + 1}},
		"uint64":  {Datatype{Class: ClassInt, Size: 8}, bytes.Repeat([]byte{255}, 8), []int64{1<<63 - 1}},
	} {
		got := Int64s(&tc.typ, tc.raw)
		require.Equal(t, tc.want, got, name)
		narrow := make([]int32, len(tc.want))
		convert(&tc.typ, narrow, tc.raw)
		for i, v := range tc.want {
			require.EqualValues(t, max(-1<<31, min(v, 1<<31-1)), narrow[i], name)
		}
	}
	require.Nil(t, Int64s(&Datatype{Class: ClassFloat, Size: 4, ieee: true}, make([]byte, 4)))
	require.Nil(t, Float64s(&Datatype{Class: ClassString, Size: 4}, make([]byte, 4)))
}

// Reads by several goroutines at once give what one gives.
func TestConcurrentReads(t *testing.T) {
	t.Parallel()
	d := dataset(t, openTest(t, "testdata/classic.h5"), "lzf")
	errs := make(chan error)
	const readers = 8
	for i := range readers {
		go func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for range 50 {
				row := r.IntN(30)
				got := make([]float64, 50)
				if err := d.ReadFloat64s(context.Background(), got, row, row+1); err != nil || got[7] != float64(row*50+7) {
					errs <- corrupt("row %d: %v, %v", row, got[7], err)
					return
				}
			}
			errs <- nil
		}()
	}
	for range readers {
		require.NoError(t, <-errs)
	}
}

func TestCancelledRead(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range []string{"lzf", "deep", "half"} {
		d := dataset(t, openTest(t, "testdata/classic.h5"), name)
		_, err := d.ReadBytes(ctx, 0, d.Rows())
		require.ErrorIs(t, err, context.Canceled, name)
	}
}
