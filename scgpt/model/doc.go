// Package model is the scGPT transformer in inference, written once over
// [compute.Device].
//
// [Load] lays a checkpoint's weights out on a device; [Model.Forward] takes
// packed cells and returns cell embeddings, the classifier's logits and, on
// request, what the other heads predict. What a checkpoint lacks (a
// classifier, batch labels, the decoders) the model lacks too and says so.
//
// # The network
//
// d is the width, every layer norm has eps 1e-5:
//
//	g   = LayerNorm(E[id])                              gene
//	v   = LayerNorm(W2·relu(w1·min(x,512)+b1)+b2)       value, continuous
//	    | LayerNorm(Ev[x])                              value, category
//	h   = g + v | g·x (scaling)
//	h   = (h-mean)/√(var+6.1e-5)                        if batch norms are there
//	h   = LayerNorm(h + Attention(h))                   for each layer:
//	h   = LayerNorm(h + W2·relu(W1·h+b1)+b2)            post-norm
//	c   = h of <cls> | mean of h | Σ x·h, normalised    cell embedding
//
// There is no positional encoding: a cell is a set of genes. There is no
// dropout in inference.
//
// # Savings
//
// LayerNorm(E) is computed once for the whole vocabulary, the value network
// once for each bin. That does not change a bit of the result.
//
// On a device that has the operations for it ([compute.Projector],
// [compute.InputAttender]; the CPU has), sums are taken in another order:
//
//   - The first layer's queries, keys and values are W·(g+v) + b = W·g + (W·v + b),
//     a row of a table for the gene and one for the value. A gene's row is
//     computed when a cell first has it, and takes 12·d bytes.
//   - The embedding of <cls> needs the last layer for that token alone. Its keys
//     and values are not computed at all: the weights are folded into the query
//     and into the projection of what was attended to.
//   - With a [compute.PairUploader], all other products of the layers but the last take
//     the tokens of a cell two by two.
//
// On other devices the last layer computes keys and values of all tokens, and
// queries, projections and feed-forward for <cls> alone. The bytes of a cell's
// embedding never depend on what else is asked for.
package model
