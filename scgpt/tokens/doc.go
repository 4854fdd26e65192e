// Package tokens turns cells into what the scGPT model reads: for each cell the
// ids of its genes and their values in bins, <cls> in front.
//
// [Match] finds a matrix's columns in the vocabulary. A [Tokenizer] made of the
// result takes one sparse row after another and appends its tokens to a
// [Packed] batch:
//
//	genes, err := tokens.Match(names, vocab, tokens.MatchOptions{})
//	tok, err := tokens.New(genes, tokens.ZeroShot(vocab.CLS(), args.PadValue))
//	var batch tokens.Packed
//	info, err := tok.Append(&batch, row, indices, values)
//
// [ZeroShot] and [FineTune] are the two published ways, those of scGPT's
// embed_data and of its Preprocessor and tokenize_and_pad_batch. Bins are equal
// to upstream's digit by digit where upstream's random draw among tied values is
// replaced by a constant; see [Ties]. Where upstream draws the genes of a long
// cell at random, a documented rule chooses them; see [Cap]. So a cell's tokens
// depend on that cell (and on the seed, where one is used) and on nothing else.
package tokens
