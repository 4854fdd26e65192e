package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
)

func main() {
	ctx := context.Background()
	out := os.Args[1]
	for _, p := range os.Args[2:] {
		f, err := anndata.Open(p)
		if err != nil {
			fmt.Println("open", err)
			continue
		}
		n := f.NObs()
		labels := make([]string, n)
		texts := make(anndata.Texts, n)
		cat := anndata.Categories{Names: []string{"x", "y", "é"}, Codes: make([]int32, n)}
		f32 := make([]float32, n)
		f64 := make([]float64, n)
		ints := make([]int, n)
		i32 := make([]int32, n)
		bools := make([]bool, n)
		emb := make([]float32, n*7)
		for i := range n {
			labels[i] = []string{"T cell", "B cell", ""}[i%3]
			texts[i] = fmt.Sprintf("cell %d", i)
			if i%5 == 0 {
				texts[i] = ""
			}
			cat.Codes[i] = int32(i%4) - 1
			f32[i], f64[i], ints[i], i32[i], bools[i] = float32(i)/4, float64(i)/8, i*1000, int32(-i), i%2 == 0
			for j := range 7 {
				emb[i*7+j] = float32(i*7 + j)
			}
		}
		for _, level := range []int{0, 4} {
			add := anndata.Additions{
				Obs: []anndata.NewColumn{{Name: "t_label", Values: labels}, {Name: "t_text", Values: texts}, {Name: "t_cat", Values: cat}, {Name: "t_f32", Values: f32}, {Name: "t_f64", Values: f64}, {Name: "t_int", Values: ints}, {Name: "t_i32", Values: i32}, {Name: "t_bool", Values: bools},
					{Name: "n_counts", Values: f32}},
				Obsm: []anndata.NewArray{{Name: "X_t", Cols: 7, Data: emb}, {Name: "X_r", Cols: 7, Read: func(_ context.Context, from, to int, dst []float32) error { copy(dst, emb[from*7:to*7]); return nil }}},
				Uns:  map[string]any{"t_uns": map[string]any{"s": "text é", "e": "", "i": 3, "f": 0.5, "b": true, "none": nil, "list": []string{"a", "", "ü"}, "nums": []float64{1, 2}, "ii": []int64{3}, "bb": []bool{true, false}, "deep": map[string]any{"x": float32(1)}, "empty": map[string]any{}}},
				Deflate: level,
			}
			dst := filepath.Join(out, fmt.Sprintf("%s_%d.h5ad", filepath.Base(p[:len(p)-5]), level))
			if err := anndata.Copy(ctx, f, dst, add); err != nil {
				fmt.Println("copy", err)
			}
			if level == 4 {
				if err := anndata.Copy(ctx, f, filepath.Join(out, filepath.Base(p[:len(p)-5])+"_plain.h5ad"), anndata.Additions{}); err != nil {
					fmt.Println("copy", err)
				}
			}
		}
		f.Close()
	}
	n := 300000
	idx := make([]string, n)
	lab := make([]string, n)
	f32 := make([]float32, n)
	for i := range n {
		idx[i] = fmt.Sprintf("CELL%06d-1", i)
		lab[i] = fmt.Sprintf("type %d", i%300)
		f32[i] = float32(i)
	}
	for _, level := range []int{0, 4} {
		var cols []anndata.NewColumn
		for i := range 4000 {
			cols = append(cols, anndata.NewColumn{Name: fmt.Sprintf("c%04d", i), Values: []float32{float32(i), 1, 2}})
		}
		err := anndata.Write(ctx, filepath.Join(out, fmt.Sprintf("results_%d.h5ad", level)), anndata.Results{ObsIndex: idx, Obs: []anndata.NewColumn{{Name: "label", Values: lab}, {Name: "score", Values: f32}}, VarIndex: []string{"g1", "g2", "g3"}, Var: cols,
			Obsm: []anndata.NewArray{{Name: "X_e", Cols: 16, Read: func(_ context.Context, from, to int, dst []float32) error {
				for i := range dst {
					dst[i] = float32(from*16 + i)
				}
				return nil
			}}}, Varm: []anndata.NewArray{{Name: "g", Cols: 2, Data: []float32{1, 2, 3, 4, 5, 6}}}, Uns: map[string]any{"k": "v"}, Deflate: level})
		if err != nil {
			fmt.Println("write", err)
		}
	}
	if err := anndata.Write(ctx, filepath.Join(out, "results_empty.h5ad"), anndata.Results{}); err != nil {
		fmt.Println("write", err)
	}
}
