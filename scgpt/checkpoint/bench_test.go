package checkpoint_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/internal/torchtest"
)

// fullSize writes a folder of the published whole-human model's size, 51 million
// parameters in 205 MB, as torch.save writes it.
func fullSize(b *testing.B) string {
	b.Helper()
	const d, rows, layers = 512, 60697, 12
	var tensors []torchtest.Tensor
	noise := make([]float32, rows*d)
	x := uint32(1)
	for i := range noise {
		x = x*1664525 + 1013904223
		noise[i] = float32(int32(x)) / (1 << 31)
	}
	add := func(name string, shape ...int) {
		n := 1
		for _, s := range shape {
			n *= s
		}
		tensors = append(tensors, torchtest.Float32(name, shape, noise[:n]))
	}
	linear := func(name string, out, in int) {
		add(name+".weight", out, in)
		add(name+".bias", out)
	}
	norm := func(name string) {
		add(name+".weight", d)
		add(name+".bias", d)
	}
	add("encoder.embedding.weight", rows, d)
	norm("encoder.enc_norm")
	linear("value_encoder.linear1", d, 1)
	linear("value_encoder.linear2", d, d)
	norm("value_encoder.norm")
	for i := range layers {
		p := fmt.Sprintf("transformer_encoder.layers.%d.", i)
		linear(p+"self_attn.Wqkv", 3*d, d)
		linear(p+"self_attn.out_proj", d, d)
		linear(p+"linear1", d, d)
		linear(p+"linear2", d, d)
		norm(p + "norm1")
		norm(p + "norm2")
	}
	for _, l := range []string{"0", "2"} {
		linear("decoder.fc."+l, d, d)
	}
	linear("decoder.fc.4", 1, d)
	linear("mvc_decoder.gene2query", d, d)
	add("mvc_decoder.W.weight", d, d)

	dir := b.TempDir()
	vocab := make(map[string]int, rows)
	for i := range rows - 3 {
		vocab[fmt.Sprintf("GENE%d", i)] = i
	}
	write := func(name string, v any) {
		data, err := json.Marshal(v)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	write("args.json", map[string]any{"embsize": d, "nheads": 8, "d_hid": d, "nlayers": layers})
	write("vocab.json", vocab)
	f, err := os.Create(filepath.Join(dir, "best_model.pt"))
	if err != nil {
		b.Fatal(err)
	}
	if err := torchtest.StateDict(f, tensors); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return dir
}

// BenchmarkOpen opens a full-size model and reads every weight once, as a device
// does that uploads them.
func BenchmarkOpen(b *testing.B) {
	pt := fullSize(b)
	st := filepath.Join(b.TempDir(), "converted")
	if err := checkpoint.Convert(pt, st); err != nil {
		b.Fatal(err)
	}
	for name, dir := range map[string]string{"pt": pt, "safetensors": st} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c, err := checkpoint.Open(dir)
				if err != nil {
					b.Fatal(err)
				}
				sum := float32(0)
				for _, n := range c.Names() {
					t, _ := c.Tensor(n)
					for _, v := range t.Float32() {
						sum += v
					}
				}
				if sum != sum {
					b.Fatal("NaN")
				}
				if err := c.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("fingerprint", func(b *testing.B) {
		for b.Loop() {
			c, err := checkpoint.Open(pt)
			if err != nil {
				b.Fatal(err)
			}
			if c.Fingerprint() == "" {
				b.Fatal("no fingerprint")
			}
			if err := c.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
