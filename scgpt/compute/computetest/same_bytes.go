package computetest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// network is a transformer layer with all that surrounds it, on one device.
type network struct {
	*bench
	width, hidden, heads            int
	genes, values, bias, wide       compute.Tensor
	shift                           compute.Tensor
	norm                            compute.Norm
	qkv, q, kv, out, up, down, head compute.Matrix
	biasQ, biasKV                   compute.Tensor
}

const networkGenes, networkValues = 300, 53

func newNetwork(b *bench) *network {
	const d, hidden, heads = 64, 96, 4
	n := &network{bench: b, width: d, hidden: hidden, heads: heads}
	n.genes, n.values = b.upload(networkGenes, d, numbers(1, networkGenes*d, 1)), b.upload(networkValues, d, numbers(2, networkValues*d, 1))
	n.bias, n.shift = b.upload(1, d, numbers(3, d, 0.1)), b.upload(1, d, numbers(4, d, 0.1))
	n.norm = compute.Norm{Gamma: b.upload(1, d, numbers(5, d, 1)), Beta: n.shift, Eps: 1e-5}
	weight := func(seed uint64, out, in int) []float32 { return numbers(seed, out*in, 0.125) }
	qkv, wide := weight(6, 3*d, d), numbers(7, 3*d, 0.1)
	n.qkv, n.wide = b.matrix(3*d, d, qkv), b.upload(1, 3*d, wide)
	n.q, n.biasQ = b.matrix(d, d, qkv[:d*d]), b.upload(1, d, wide[:d])
	n.kv, n.biasKV = b.matrix(2*d, d, qkv[d*d:]), b.upload(1, 2*d, wide[d:])
	n.out, n.up, n.down = b.matrix(d, d, weight(8, d, d)), b.matrix(hidden, d, weight(9, hidden, d)), b.matrix(d, hidden, weight(10, d, hidden))
	n.head = b.matrix(10, d, weight(11, 10, d))
	return n
}

// results are numbers for each token and for each cell of a batch.
type results struct {
	tokens map[string][]float32 // by name, width numbers a token
	cells  map[string][]float32
}

// run computes a batch; ids and bins are those of its tokens.
func (n *network) run(ids, bins []int32, lengths []int) (results, error) {
	r := results{map[string][]float32{}, map[string][]float32{}}
	count, d, cells := len(ids), n.width, n.layout(lengths...)
	var first []int32
	first = append(first, offsetsOf(lengths)[:len(lengths)]...)
	var err error
	do := func(op error) {
		if err == nil {
			err = op
		}
	}
	h := n.tensor(count, d)
	do(n.Embed(n.ctx, h, compute.Embedding{Table: n.genes, IDs: ids, Values: n.values, Rows: bins}))
	do(n.Normalize(n.ctx, h, h, n.bias, n.norm.Gamma, n.shift))
	top := n.tensor(len(lengths), d)
	do(n.Embed(n.ctx, top, compute.Embedding{Table: h, IDs: first}))
	qkv, attended := n.tensor(count, 3*d), n.tensor(count, d)
	do(n.Linear(n.ctx, qkv, h, n.qkv, n.wide, compute.Identity))
	do(n.Attention(n.ctx, attended, qkv, cells, n.heads))
	r.tokens["attention"] = n.read(attended)
	q, kv, attendedTop := n.tensor(len(lengths), d), n.tensor(count, 2*d), n.tensor(len(lengths), d)
	do(n.Linear(n.ctx, q, top, n.q, n.biasQ, compute.Identity))
	do(n.Linear(n.ctx, kv, h, n.kv, n.biasKV, compute.Identity))
	do(n.AttentionFirst(n.ctx, attendedTop, q, kv, cells, n.heads))
	n.finish(do, h, attended)
	n.finish(do, top, attendedTop)
	r.tokens["layer"] = n.read(h)
	r.cells["first tokens"] = n.read(top)
	gathered := n.tensor(len(lengths), d)
	do(n.Embed(n.ctx, gathered, compute.Embedding{Table: h, IDs: first}))
	requireSameBits(n, n.read(gathered), r.cells["first tokens"], "first tokens alone and all tokens")
	logits := n.tensor(len(lengths), 10)
	do(n.Linear(n.ctx, logits, top, n.head, nil, compute.Sigmoid))
	r.cells["logits"] = n.read(logits)
	weights := make([]float32, count)
	for i, v := range bins {
		weights[i] = float32(v)
	}
	pooled := n.tensor(len(lengths), d)
	do(n.Pool(n.ctx, pooled, h, cells, weights))
	r.cells["pool"] = n.read(pooled)
	dots := n.tensor(count, 1)
	do(n.Dot(n.ctx, dots, h, pooled, cells))
	r.tokens["dot"] = n.read(dots)
	for _, x := range []compute.Tensor{h, top, qkv, attended, q, kv, attendedTop, gathered, logits, pooled, dots} {
		x.Free()
	}
	cells.Free()
	return r, err
}

func (n *network) finish(do func(error), h, attended compute.Tensor) {
	projected, hidden := n.tensor(h.Rows(), n.width), n.tensor(h.Rows(), n.hidden)
	defer projected.Free()
	defer hidden.Free()
	do(n.Linear(n.ctx, projected, attended, n.out, n.bias, compute.Identity))
	do(n.AddLayerNorm(n.ctx, h, h, projected, n.norm))
	do(n.Linear(n.ctx, hidden, h, n.up, nil, compute.ReLU))
	do(n.Linear(n.ctx, projected, hidden, n.down, n.bias, compute.LeakyReLU))
	do(n.AddLayerNorm(n.ctx, h, h, projected, n.norm))
}

var sameBytesLengths = []int{61, 1, 14, 130, 28, 2, 300, 33}

// testSameBytes holds a device to the promise that a cell's result is the same
// bytes alone, in any batch, at any place, with any number of threads.
func testSameBytes(t *testing.T, c Config) {
	count := total(sameBytesLengths)
	ids, bins := indices(20, count, networkGenes), indices(21, count, networkValues)
	var want results
	for _, threads := range []int{1, 2, 3, 7} {
		t.Run(fmt.Sprintf("%d threads", threads), func(t *testing.T) {
			opened, err := c.Open(compute.Options{Threads: threads})
			n := newNetwork(newBench(t, opened, err))
			whole, err := n.run(ids, bins, sameBytesLengths)
			require.NoError(t, err)
			if want.tokens == nil {
				want = whole
			}
			requireSameResults(t, want, whole, 0, 0, "threads")

			// Each cell alone, and the batch without its first cell, so
			// that every cell has another place.
			from := 0
			for i, length := range sameBytesLengths {
				to := from + length
				alone, err := n.run(ids[from:to], bins[from:to], []int{length})
				require.NoError(t, err)
				requireSameResults(t, want, alone, from, i, fmt.Sprintf("cell %d alone", i))
				from = to
			}
			skip := sameBytesLengths[0]
			moved, err := n.run(ids[skip:], bins[skip:], sameBytesLengths[1:])
			require.NoError(t, err)
			requireSameResults(t, want, moved, skip, 1, "without the first cell")
		})
	}
}

// requireSameResults compares results with the part of want that begins at a
// token and a cell.
func requireSameResults(t testing.TB, want, got results, token, cell int, what string) {
	t.Helper()
	tokens := len(got.tokens["dot"])
	for name, x := range got.tokens {
		width := len(x) / tokens
		requireSameBits(t, want.tokens[name][token*width:token*width+len(x)], x, what+": "+name)
	}
	cells := len(got.cells["logits"]) / 10
	for name, x := range got.cells {
		width := len(x) / cells
		requireSameBits(t, want.cells[name][cell*width:cell*width+len(x)], x, what+": "+name)
	}
}
