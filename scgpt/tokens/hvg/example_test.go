package hvg_test

import (
	"context"
	"fmt"

	"github.com/seed-ab6af24b/troupe/scgpt/tokens/hvg"
)

func ExampleSelect() {
	// A hundred cells of forty genes, of which the 24th varies most.
	rows := make([][]float32, 100)
	for cell := range rows {
		for gene := range 40 {
			rows[cell] = append(rows[cell], float32(gene/4+(cell*(gene+3))%7))
		}
		rows[cell][23] *= float32(cell % 4)
	}
	columns := make([]int32, 40)
	for i := range columns {
		columns[i] = int32(i)
	}
	cells := func(yield func(hvg.Block) error) error {
		for _, row := range rows { // a file is read in larger blocks
			block := hvg.Block{Indptr: []int64{0, 40}, Indices: columns, Values: row}
			if err := yield(block); err != nil {
				return err
			}
		}
		return nil
	}
	r, err := hvg.Select(context.Background(), 40, cells, hvg.Options{Flavor: hvg.SeuratV3, N: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range r.Columns {
		fmt.Printf("gene %d: mean %.1f, variance %.1f\n", c, r.Genes[c].Mean, r.Genes[c].Dispersion)
	}
	// Output:
	// gene 23: mean 11.9, variance 94.5
}
