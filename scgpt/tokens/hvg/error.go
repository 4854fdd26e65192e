package hvg

import "fmt"

// A DataError reports cells from which no genes can be chosen.
type DataError struct {
	// Reason names the cell, gene or batch, what was found and what would be
	// right.
	Reason string
}

// Error returns the reason.
func (e *DataError) Error() string { return e.Reason }

// ErrorType returns "InvalidDataError": trying again will not help.
func (e *DataError) ErrorType() string { return "InvalidDataError" }

func dataErrorf(format string, args ...any) error {
	return &DataError{Reason: fmt.Sprintf(format, args...)}
}
