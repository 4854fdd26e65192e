package tokens

import "slices"

// choose returns the positions of the keep genes that the cap leaves, in gene
// order. keep is less than the number of genes, of which ranked holds the order.
func (t *Tokenizer) choose(row, keep int) []int {
	n := len(t.ranked)
	chosen := t.chosen[:0]
	switch t.options.Cap {
	case CapFirst:
		for i := range keep {
			chosen = append(chosen, i)
		}
	case CapHighest:
		for _, r := range t.ranked[:keep] {
			chosen = append(chosen, r.position())
		}
		slices.Sort(chosen)
	case CapEven:
		for i := range keep {
			chosen = append(chosen, t.ranked[int64(i)*int64(n)/int64(keep)].position())
		}
		slices.Sort(chosen)
	case CapSeeded:
		// Selection sampling (Knuth, TAOCP vol. 2, algorithm S): one pass, in
		// order, every set of keep positions equally likely.
		reseed(&t.random, t.options.Seed, row, forCap)
		for i := 0; len(chosen) < keep; i++ {
			if float64(n-i)*uniform(&t.random) < float64(keep-len(chosen)) {
				chosen = append(chosen, i)
			}
		}
	}
	t.chosen = chosen
	return chosen
}
