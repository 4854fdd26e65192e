package model

// Options says what a forward pass computes. The zero value gives cell
// embeddings as the checkpoint pools them and, if it has a classifier, logits.
type Options struct {
	// Pooling is how the tokens become the cell's embedding:
	// [checkpoint.CLS], [checkpoint.AvgPool] or [checkpoint.WPool]; default
	// is what the checkpoint's args say. AvgPool is the mean over the cell's
	// tokens, <cls> included. WPool is the sum weighted with the values,
	// <cls> included, divided by its L2 norm.
	Pooling string

	// Domain is the batch label of all cells of the batch: it chooses among
	// domain-specific batch norms and conditions the decoders. It is below
	// [Model.Domains]; a model without domains takes 0 alone. Cells of several
	// domains go in several calls.
	Domain int

	// TokenEmbeddings asks for the last layer's output for every token. That of
	// <cls> may differ from the cell's embedding in its last bits: the latter is
	// computed in a shorter way.
	TokenEmbeddings bool
	// Expression asks for the value that the model predicts for each token.
	Expression bool
	// ZeroProbs asks for the probability that each token's gene is expressed
	// (upstream's mlm_zero_probs: the probability of a value that is not
	// zero, in spite of its name).
	ZeroProbs bool
	// MVC asks for each token's value predicted from the cell's embedding
	// and, if the model has it, the probability that goes with it.
	MVC bool
	// DomainLogits asks for the logits of the discriminator of batches.
	DomainLogits bool
}

// Output is what a forward pass computed; fields that were not asked for are
// nil. Rows are in the order of the batch, and all memory is the caller's.
type Output struct {
	// CellEmbeddings is cells × EmbSize, not normalised to unit length
	// (but for WPool, which is by definition).
	CellEmbeddings []float32
	// Logits is cells × Classes, nil without a classifier.
	Logits []float32
	// TokenEmbeddings is tokens × EmbSize.
	TokenEmbeddings []float32
	// Expression, ZeroProbs, MVC and MVCZeroProbs have one number for each
	// token.
	Expression, ZeroProbs, MVC, MVCZeroProbs []float32
	// DomainLogits is cells × batches.
	DomainLogits []float32
}
