package checkpoint_test

import (
	"fmt"
	"log"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
)

func Example() {
	c, err := checkpoint.Open("../../testdata/models/tiny_scgpt")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	args := c.Args()
	fmt.Println(args.NLayers, "layers of width", args.EmbSize)
	fmt.Println(c.Vocab().Len(), "tokens,", len(c.Labels()), "cell types")

	table, _ := c.Tensor("encoder.embedding.weight")
	fmt.Println(table.Name, table.Shape, table.DType)
	// Output:
	// 4 layers of width 64
	// 3003 tokens, 10 cell types
	// encoder.embedding.weight [3003 64] F32
}
