// Package checkpoint reads a scGPT model folder: args.json, vocab.json, the
// weights and, for annotation, the names of the cell types.
//
//	dir/
//	  args.json          sizes and constants of the model
//	  vocab.json         gene symbol → id
//	  id2type.json       class → cell type, optional
//	  id2batch.json      domain → batch, optional
//	  model.safetensors  weights, or
//	  best_model.pt      weights as torch.save wrote them, or model.pt
//
// [Open] takes whatever flavour of names the weights came with (fused or plain
// attention, wrapped in DistributedDataParallel or not) and gives every tensor
// its published name. It fails when the folder does not describe one whole
// model: a missing or misshapen tensor, a vocabulary of another size, a
// count of heads that does not divide the width, each named with what would be
// right. What args.json does not say (batch normalisation by domain, batch
// labels, decoders) is read from the tensors' names and shapes;
// [Checkpoint.Describe] shows all of it.
//
// Weights are mapped, not copied, wherever they are stored as aligned float32;
// so opening takes milliseconds, and several processes share the memory.
package checkpoint
