// Package safetensors reads and writes the safetensors format
// (https://github.com/huggingface/safetensors): a JSON header that names
// tensors, their types, shapes and places, followed by their bytes.
//
// [Open] maps the file; a tensor's bytes are a slice of the mapping and
// nothing is copied, so opening takes time and memory for the header only.
// The rules of the reference implementation are held: the tensors fill the
// file to its last byte without gap or overlap. A file that breaks them is an
// [Error] that says where.
package safetensors
