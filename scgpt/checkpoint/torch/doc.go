// Package torch reads the tensors of a PyTorch state dict: what torch.save
// writes since version 1.6, a zip archive of a pickle and raw storages.
//
// A pickle is a program. The machine here runs the few instructions that a
// state dict needs, knows the few global names that a state dict refers to,
// and refuses everything else by name: no class is looked up and no code of
// the file's choosing runs. Stack, memo, nesting and sizes are bounded by the
// file's own size.
//
// Storages that are neither compressed nor strided are not copied: a tensor's
// bytes are a slice of the mapped file. The archive's checksums are not
// verified, as PyTorch itself can be told not to write them.
package torch
