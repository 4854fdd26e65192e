package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
)

// Names of what is added to a file, as scanpy's users know them.
const (
	// LabelsKey in obs is the predicted type (CellTypist's name for it).
	LabelsKey = "predicted_labels"
	// ConfidenceKey in obs is the confidence in it (likewise).
	ConfidenceKey = "conf_score"
	// EmbeddingKey in obsm is the cell embedding (scGPT's own name).
	EmbeddingKey = "X_scGPT"
	// ProvenanceKey in uns says where the additions come from: agent, version, model,
	// fingerprint, device, precision, method, and where they apply reference,
	// reference_fingerprint and batch_key.
	ProvenanceKey = "troupe"
	// EmptyCellsKey in uns["troupe"] lists the rows, from 0, of cells without a
	// gene that the model knows: their embeddings say nothing about them.
	EmptyCellsKey = "empty_cells"
)

// Provenance says where a result comes from. It holds nothing that differs
// between two runs of the same work, so that their files are equal.
type Provenance struct {
	Agent, Version     string
	Model, Fingerprint string
	// Device class that computed, classes joined by + where there were several.
	Device string
	// Method is how labels or embeddings were made, in a word.
	Method string
	// Reference is the reference that labels come from.
	Reference, ReferenceFingerprint string
	// BatchKey is the column of obs whose batches were integrated.
	BatchKey string
}

// uns gives the provenance as it stands in a file, with the rows, from 0, of the
// cells without a gene that the model knows, where there are any.
func (p Provenance) uns(empty []int) map[string]any {
	values := map[string]any{
		"agent": p.Agent, "version": p.Version, "model": p.Model, "fingerprint": p.Fingerprint,
		"device": p.Device, "precision": p.precision(),
	}
	for key, value := range map[string]string{
		"method": p.Method, "reference": p.Reference, "reference_fingerprint": p.ReferenceFingerprint, "batch_key": p.BatchKey,
	} {
		if value != "" {
			values[key] = value
		}
	}
	if len(empty) > 0 {
		values[EmptyCellsKey] = empty
	}
	return map[string]any{ProvenanceKey: values}
}

// precision is that of the first device class; all have the same.
func (p Provenance) precision() string { return PrecisionOf(strings.Split(p.Device, "+")[0]) }

// labelMethods are the methods ([Provenance]) whose copies have labels.
var labelMethods = []string{"classifier", "reference"}

// Replaced says, in sentences, what the file has under the names that
// [Cells.WriteEmbedded] adds, or, with labels, [Cells.WriteAnnotated], and that the
// copy will lose. What an earlier run of this program added is left out, as far as
// uns["troupe"] tells.
func (c *Cells) Replaced(ctx context.Context, labels bool) ([]string, error) {
	method := c.earlierMethod(ctx)
	var names []string
	if labels && !slices.Contains(labelMethods, method) {
		for _, key := range []string{LabelsKey, ConfidenceKey} {
			if c.file.Obs().Has(key) {
				names = append(names, fmt.Sprintf("obs[%q]", key))
			}
		}
	}
	if method == "" {
		there, err := c.file.HasObsm(EmbeddingKey)
		if err != nil {
			return nil, err
		}
		if there {
			names = append(names, fmt.Sprintf("obsm[%q]", EmbeddingKey))
		}
	}
	for i, name := range names {
		names[i] = name + " was in the input and is replaced in the copy"
	}
	return names, nil
}

// earlierMethod is that of the run that wrote the file, "" where uns["troupe"] is
// missing or is not this program's.
func (c *Cells) earlierMethod(ctx context.Context) string {
	value, err := c.file.UnsValue(ctx, ProvenanceKey)
	if err != nil {
		return ""
	}
	written, _ := value.(map[string]any)
	method, _ := written["method"].(string)
	return method
}

// WriteAnnotated writes a copy of the file to out, with the labels, the
// confidence in them and the normalised embeddings added, and nothing else
// changed. emb and labels must be those of all cells. What is there under the
// same names is replaced: see [Cells.Replaced]. Nothing is left at out when it fails.
func (c *Cells) WriteAnnotated(ctx context.Context, out string, emb *Embeddings, labels *Labels, p Provenance) error {
	return anndata.Copy(ctx, c.file, out, anndata.Additions{
		Obs: []anndata.NewColumn{
			{Name: LabelsKey, Values: labels.Types},
			{Name: ConfidenceKey, Values: labels.Confidence},
		},
		Obsm: []anndata.NewArray{emb.array()},
		Uns:  p.uns(emb.Empty),
	})
}

// WriteEmbedded is WriteAnnotated for the embeddings alone.
func (c *Cells) WriteEmbedded(ctx context.Context, out string, emb *Embeddings, p Provenance) error {
	return anndata.Copy(ctx, c.file, out, anndata.Additions{Obsm: []anndata.NewArray{emb.array()}, Uns: p.uns(emb.Empty)})
}

// array gives the normalised vectors row by row, without a second copy of all.
func (e *Embeddings) array() anndata.NewArray {
	return anndata.NewArray{Name: EmbeddingKey, Cols: e.Dim, Read: func(_ context.Context, from, to int, dst []float32) error {
		copy(dst, e.Vectors[from*e.Dim:to*e.Dim])
		for row := range slices.Chunk(dst, max(e.Dim, 1)) {
			normalize(row)
		}
		return nil
	}}
}

// Write writes the vectors to an .h5ad file: a row of obs per gene, the vectors
// in obsm["X_scGPT"], and in obsm["similarity"] what Similarity returned, unless
// it is nil.
func (g *GeneVectors) Write(ctx context.Context, out string, similarity []float32, p Provenance) error {
	res := anndata.Results{
		ObsIndex: g.Genes,
		Obsm:     []anndata.NewArray{{Name: EmbeddingKey, Cols: g.Dim, Data: g.Vectors}},
		Uns:      p.uns(nil),
	}
	if similarity != nil {
		res.Obsm = append(res.Obsm, anndata.NewArray{Name: "similarity", Cols: len(g.Genes), Data: similarity})
	}
	return anndata.Write(ctx, out, res)
}
