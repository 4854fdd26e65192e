// Package evaluate scores predicted cell types, clusters and embeddings.
//
// [Classification] compares predicted labels with the true ones: accuracy,
// macro precision, recall and F1, and the confusion matrix.
//
// Every number follows the definition that single-cell papers quote:
// scikit-learn's for classification, and is tested against stored results of
// it to 1e-6 or better.
//
// Cells without a true label are no part of a score: callers leave them out
// before they call, and an empty true label is an error. All functions are safe
// for concurrent use, keep no state, and give the same result in every run.
package evaluate
