package checkpoint

import "path/filepath"

// Description is what a model folder holds, fit to be printed as JSON.
type Description struct {
	Dir string `json:"dir"`
	// Files are the names of the files that were read, those outside Dir with
	// their path.
	Files       Files  `json:"files"`
	Fingerprint string `json:"fingerprint"`
	Args        Args   `json:"args"`
	Heads       Heads  `json:"heads"`
	// Vocab is the number of tokens, specials included.
	Vocab int `json:"vocab"`
	// Labels are the cell types by class, null when no file names them.
	Labels []string `json:"labels"`
	// Batches are the names of the batches by domain, if a file has them.
	Batches []string `json:"batches,omitempty"`
	// Parameters counts the elements of all tensors that the model uses,
	// ParametersTotal those of all tensors in the file.
	Parameters      int `json:"parameters"`
	ParametersTotal int `json:"parameters_total"`
	// Bytes is the size of all tensors as stored.
	Bytes int64 `json:"bytes"`
	// Tensors are all tensors in the file, sorted by published name.
	Tensors []TensorDescription `json:"tensors"`
	// Unknown are the names of tensors that no part of the model uses.
	Unknown []string `json:"unknown"`
}

// Files names the parts of a model folder.
type Files struct {
	Args    string `json:"args"`
	Vocab   string `json:"vocab"`
	Weights string `json:"weights"`
	// Labels is empty when there are none.
	Labels string `json:"labels,omitempty"`
}

// TensorDescription is one tensor of a Description.
type TensorDescription struct {
	Name string `json:"name"`
	// Stored is the name in the file where it differs from Name.
	Stored string `json:"stored,omitempty"`
	DType  string `json:"dtype"`
	Shape  []int  `json:"shape"`
}

// Describe returns what the folder holds. It reads all weights once, for the
// fingerprint.
func (c *Checkpoint) Describe() Description {
	d := Description{
		Dir: c.dir,
		Files: Files{
			Args:    "args.json",
			Vocab:   "vocab.json",
			Weights: c.shorten(c.weights.path),
			Labels:  c.shorten(c.labelsPath),
		},
		Fingerprint: c.Fingerprint(),
		Args:        c.args,
		Heads:       c.heads,
		Vocab:       c.vocab.Len(),
		Labels:      c.Labels(),
		Batches:     c.Batches(),
		Unknown:     c.Unknown(),
	}
	for _, name := range c.used {
		d.Parameters += c.weights.tensors[name].Len()
	}
	for _, name := range c.Names() {
		t := c.weights.tensors[name]
		described := TensorDescription{Name: name, DType: string(t.DType), Shape: append([]int{}, t.Shape...)}
		if t.stored != name {
			described.Stored = t.stored
		}
		d.Tensors = append(d.Tensors, described)
		d.ParametersTotal += t.Len()
		d.Bytes += int64(t.Len()) * int64(t.DType.Size())
	}
	return d
}

// shorten returns the path of a file within the folder relative to it.
func (c *Checkpoint) shorten(path string) string {
	if filepath.Dir(path) == filepath.Clean(c.dir) {
		return filepath.Base(path)
	}
	return path
}
