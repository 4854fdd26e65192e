package tokens_test

import (
	"fmt"
	"log"

	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

func Example() {
	vocab := vocabulary{"CD3D", "CD8A", "LYZ", "<pad>", "<cls>", "<eoc>"}
	genes, err := tokens.Match([]string{"LYZ", "novel", "CD3D"}, vocab, tokens.MatchOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(genes.Report.Matched, "of", genes.Report.Total, "genes; not found:", genes.Report.Unmatched)

	cls, _ := vocab.ID("<cls>")
	tok, err := tokens.New(genes, tokens.ZeroShot(cls, -2))
	if err != nil {
		log.Fatal(err)
	}
	var batch tokens.Packed
	if _, err := tok.Append(&batch, 0, []int32{0, 2}, []float32{7, 1}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(batch.IDs, batch.Values, batch.Offsets)
	// Output:
	// 2 of 3 genes; not found: [novel]
	// [4 2 0] [-2 50 1] [0 3]
}
