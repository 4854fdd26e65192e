// Package neighbors finds the nearest neighbours of cells in an embedding, and
// what follows from them: labels taken over from annotated cells, the neighbour
// graph, and its clusters.
//
// Reference mapping is two calls. [Search] finds for every query the k nearest
// references, exactly, and [Transfer] lets them vote:
//
//	found, err := neighbors.Search(ctx, queries, references, 10, neighbors.Options{})
//	votes, err := neighbors.Transfer(found, types, neighbors.TransferOptions{Threshold: 0.5})
//
// Clustering is two calls as well, [NewGraph] on a search of the cells among
// themselves and [Clusters] on the graph; [Majority] names the clusters.
//
// Everything here is deterministic: the same input gives the same result
// whatever the number of threads and whatever the processor. Ties are broken by
// documented rules, never by chance. Nothing is modified that the caller passes,
// and all functions are safe for concurrent use.
package neighbors
