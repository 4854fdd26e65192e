// Package report shows what a run found about the cells of a file: as a page for
// people, and as a table for programs.
//
//	r := &report.Report{Title: "pbmc.h5ad", Cells: names, Labels: types, Confidence: scores, Embedding: x}
//	err := r.SaveHTML(ctx, "pbmc.report.html")
//	err = r.SaveCSV(ctx, "pbmc.csv")
//
// The page is one file that needs nothing else: no network, no other file, and
// it says so to the browser (Content-Security-Policy), so that nothing in the
// names of cells or types can fetch or run anything. Tables, heat map and dot
// plot are there without JavaScript; the scatter plot needs it. Its colours can be
// told apart with any kind of colour vision, it works with the keyboard and on
// paper, and in light and dark.
//
// The same report gives the same bytes.
package report
