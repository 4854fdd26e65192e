// Package engine runs a scGPT model over the cells of a file: it joins the
// reader (anndata), the tokeniser (tokens), the model and a device, and knows
// nothing of Temporal. The scGPT agent's activities and the commands that work
// without a server are thin layers over it.
//
//	dev, err := compute.Open("cpu", compute.Options{})
//	eng, err := engine.Load("models/scGPT_human", dev)
//	cells, err := eng.Open("pbmc.h5ad", engine.Options{Task: engine.Annotate})
//	emb, err := cells.Embed(ctx, 0, cells.Len(), nil)
//	labels, err := eng.Label(emb)
//	err = cells.WriteAnnotated(ctx, "pbmc.annotated.h5ad", emb, labels)
//
// Integration embeds cells of several batches by their most variable genes, each
// batch with the batch norm that the model learnt for it:
//
//	cells, choice, err := eng.OpenIntegration(ctx, "pbmc.h5ad", engine.Options{BatchKey: "batch"}, engine.ChooseOptions{})
//	emb, err := cells.Embed(ctx, 0, cells.Len(), nil)
//
// where the work is cut up, choice.Genes goes into the options of each part.
//
// A cell's result is the same bytes whatever run of cells it is computed in.
package engine
