package checkpoint

import "strings"

// prefixes are put before every name by wrappers of the trained module:
// DistributedDataParallel and torch.compile.
var prefixes = []string{"module.", "_orig_mod."}

// canonical returns the published name of a tensor. The attention's input
// projection has three names with one layout (rows of queries, keys, values):
// that of the published files, that of the flash-attention wrapper and that of
// PyTorch's own layer.
func canonical(name string) string {
	for _, p := range prefixes {
		name = strings.TrimPrefix(name, p)
	}
	head, tail, ok := strings.Cut(name, ".self_attn.")
	if !ok {
		return name
	}
	tail = strings.TrimPrefix(tail, "_impl.")
	switch tail {
	case "in_proj_weight":
		tail = "Wqkv.weight"
	case "in_proj_bias":
		tail = "Wqkv.bias"
	}
	return head + ".self_attn." + tail
}
