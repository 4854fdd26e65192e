package engine

import "github.com/seed-ab6af24b/troupe/scgpt/tokens"

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
	// Integrate follows the path of integration: <cls> has the value 0, and
	// cells consist of all chosen genes, also those of value 0.
	Integrate Task = "integrate"
)

// DefaultMaxLength returns the number of tokens, <cls> included, that a cell
// keeps at most where the options do not say. That of Integrate is one more than
// there are chosen genes; the number here is for [DefaultChosenGenes].
func (t Task) DefaultMaxLength() int {
	switch t {
	case Annotate:
		return tokens.DefaultFineTuneMaxLength
	case Integrate:
		return DefaultChosenGenes + 1
	default:
		return tokens.DefaultZeroShotMaxLength
	}
}

// Options says how cells are read and turned into tokens. The zero value is
// the default of the task Embed. Equal options give equal bytes; they can be
// compared with ==.
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
	// Genes are the tokens of the vocabulary that cells are reduced to before
	// anything else; empty means all that the file has. [Cells.ChooseGenes]
	// chooses them. At least MinGeneShare of them must be in the file.
	Genes Names `json:"genes,omitempty"`
	// BatchKey is the column of obs with the cells' batches, by which genes
	// are chosen and the model's domains (domain-specific batch norm, batch
	// labels) taken. Without it, all cells take the first domain.
	BatchKey string `json:"batch_key,omitempty"`
	// Batches are the names of the batches that the model was fine-tuned on, in
	// the order of its domains; empty means those of id2batch.json in the
	// model's folder, and without it those of BatchKey in alphabetical order.
	Batches Names `json:"batches,omitempty"`
}

// WithDefaults returns the options with what they leave open filled in.
func (o Options) WithDefaults() Options {
	if o.Task == "" {
		o.Task = Embed
	}
	if o.MaxLength == 0 && o.Task != Integrate { // there it depends on the genes
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
