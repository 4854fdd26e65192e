// Package torchtest writes files as torch.save does, well-formed and
// otherwise, for tests.
package torchtest
