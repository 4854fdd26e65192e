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
// # Exact savings
//
// LayerNorm(E) is computed once for the whole vocabulary, the value network
// once for each bin. When only the <cls> token is wanted, the last layer
// computes queries, projections and feed-forward for that token alone. None
// of it changes a bit of the result.
package model
