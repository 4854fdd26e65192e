package engine

// Task is what the embeddings are for; the two published ways to turn a cell
// into tokens differ.
type Task string

const (
	// Annotate follows the fine-tuned path: <cls> has the value 0, cells
	// keep up to 3001 tokens.
	Annotate Task = "annotate"
	// Embed follows the zero-shot path: <cls> has the padding value (-2),
	// cells keep up to 1200 tokens.
	Embed Task = "embed"
)

// DefaultMaxLength returns the number of tokens, <cls> included, that a cell
// keeps at most where the options do not say.
func (t Task) DefaultMaxLength() int {
	if t == Annotate {
		return 3001
	}
	return 1200
}

// Options says how cells are read and turned into tokens. The zero value is
// the default of the task Embed. Equal options give equal bytes.
type Options struct {
	Task Task `json:"task"`
	// Layer is read instead of X.
	Layer string `json:"layer,omitempty"`
	// GeneColumn is the column of var with the gene symbols; empty means
	// the index, or the first of the usual symbol columns that is there
	// where the index holds Ensembl ids.
	GeneColumn string `json:"gene_column,omitempty"`
	// MaxLength is the largest number of tokens of a cell, <cls> included;
	// 0 means the task's default.
	MaxLength int `json:"max_length,omitempty"`
	// Cap is one of even (default), first, highest, seeded.
	Cap string `json:"cap,omitempty"`
	// Ties is one of mid (default), left, seeded.
	Ties string `json:"ties,omitempty"`
	Seed uint64 `json:"seed,omitempty"`
	// MinGeneShare is the smallest share of the file's genes that must be in
	// the vocabulary; 0 means 0.5.
	MinGeneShare float64 `json:"min_gene_share,omitempty"`
}

func (o Options) withDefaults() Options {
	if o.Task == "" {
		o.Task = Embed
	}
	if o.MaxLength == 0 {
		o.MaxLength = o.Task.DefaultMaxLength()
	}
	if o.Cap == "" {
		o.Cap = "even"
	}
	if o.Ties == "" {
		o.Ties = "mid"
	}
	if o.MinGeneShare == 0 {
		o.MinGeneShare = 0.5
	}
	return o
}
