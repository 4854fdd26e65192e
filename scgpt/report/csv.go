package report

import (
	"cmp"
	"context"
	"encoding/csv"
	"io"
	"strconv"
)

// WriteCSV writes a row for each cell, after one with the names of the columns:
// the cell's name, its label, the confidence in it, and its true type if there is
// a truth. Confidences have as many digits as tell one number of 32 bits from
// the next.
func (r *Report) WriteCSV(w io.Writer) error {
	if err := r.check(); err != nil {
		return err
	}
	table := csv.NewWriter(w)
	row := []string{"cell", cmp.Or(r.LabelsKey, "label"), cmp.Or(r.ConfidenceKey, "confidence")}
	if r.Truth != nil {
		row = append(row, cmp.Or(r.TruthKey, "truth"))
	}
	if err := table.Write(row); err != nil {
		return err
	}
	for i, name := range r.Cells {
		row = append(row[:0], name, r.Labels[i], strconv.FormatFloat(float64(r.Confidence[i]), 'g', -1, 32))
		if r.Truth != nil {
			row = append(row, r.Truth[i])
		}
		if err := table.Write(row); err != nil {
			return err
		}
	}
	table.Flush()
	return table.Error()
}

// SaveCSV is WriteCSV to a file, of which nothing is left when it fails.
func (r *Report) SaveCSV(ctx context.Context, path string) error {
	return save(ctx, path, func(w io.Writer) error { return r.WriteCSV(w) })
}
