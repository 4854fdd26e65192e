// Package evaluate scores predicted cell types, clusters and embeddings.
//
// [Classification] compares predicted labels with the true ones: accuracy,
// macro precision, recall and F1, and the confusion matrix. [ARI] and [NMI]
// compare clusters with cell types. [Silhouette], [LabelASW], [BatchASW] and
// [GraphConnectivity] say how well an embedding keeps cell types apart and mixes
// batches. [AvgBIO] and [AvgBATCH] are the two summaries that scGPT's authors
// report for an integration. [Trustworthiness] says how far a picture of an
// embedding can be believed.
//
// Every number follows the definition that single-cell papers quote,
// scikit-learn's or scib's, and is tested against stored results of them to 1e-6
// or better.
//
// Cells without a true label are no part of a score: callers leave them out
// before they call, and an empty label is an error. All functions are safe for
// concurrent use, keep no state, modify nothing they are given, and return the
// same result whatever the number of threads.
package evaluate
