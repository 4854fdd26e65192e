package anndata_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
)

func ExampleOpen() {
	f, err := anndata.Open("../../testdata/cells/pbmc68k_test.h5ad")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	fmt.Println(f.NObs(), "cells,", f.NVars(), "genes")

	types, err := f.Obs().Column("celltype")
	if err != nil {
		log.Fatal(err)
	}
	x, err := f.X()
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for from := 0; from < f.NObs(); from += 64 {
		block, err := x.Rows(ctx, from, min(from+64, f.NObs()))
		if err != nil {
			log.Fatal(err)
		}
		genes, values := block.Row(0)
		fmt.Printf("cell %d: %s, %d genes, first gene %d at %.3f\n", from, types.Strings()[from], len(genes), genes[0], values[0])
	}
	// Output:
	// 200 cells, 765 genes
	// cell 0: CD56+ NK, 260 genes, first gene 2 at 1.374
	// cell 64: CD8+/CD45RA+ Naive Cytotoxic, 251 genes, first gene 3 at 1.365
	// cell 128: CD19+ B, 288 genes, first gene 3 at 1.196
	// cell 192: CD14+ Monocyte, 211 genes, first gene 0 at 1.591
}

func ExampleCopy() {
	f, err := anndata.Open("../../testdata/h5ad/csr_gzip.h5ad")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	dst := filepath.Join(dir, "annotated.h5ad")
	err = anndata.Copy(context.Background(), f, dst, anndata.Additions{
		Obs:  []anndata.NewColumn{{Name: "score", Values: make([]float32, f.NObs())}},
		Obsm: []anndata.NewArray{{Name: "X_emb", Cols: 2, Data: make([]float32, 2*f.NObs())}},
		Uns:  map[string]any{"run": map[string]any{"model": "tiny", "cells": f.NObs()}},
	})
	if err != nil {
		log.Fatal(err)
	}
	annotated, err := anndata.Open(dst)
	if err != nil {
		log.Fatal(err)
	}
	defer annotated.Close()
	arrays, err := annotated.Obsm()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(annotated.Obs().Columns())
	fmt.Println(arrays)
	// Output:
	// [cell_type batch note n_counts n_genes is_primary score]
	// [{X_emb [120 2] float32} {X_pca [120 5] float32}]
}
