package hvg

import "fmt"

// A DataError reports cells from which no genes can be chosen.
type DataError struct {
	// Reason says what was found and what would be right. It names a batch, but
	// not the cell and gene below.
	Reason string
	// Cell and Column say which value is at fault, -1 where none is.
	Cell, Column int
}

// Error returns the reason, with the numbers of the cell and the gene before it.
func (e *DataError) Error() string {
	if e.Column < 0 {
		return e.Reason
	}
	return fmt.Sprintf("cell %d, gene %d: %s", e.Cell, e.Column, e.Reason)
}

// ErrorType returns "InvalidDataError": trying again will not help.
func (e *DataError) ErrorType() string { return "InvalidDataError" }

func dataErrorf(format string, args ...any) error {
	return &DataError{Reason: fmt.Sprintf(format, args...), Cell: -1, Column: -1}
}
