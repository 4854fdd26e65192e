package anndata

import (
	"errors"
	"fmt"
)

// ErrNoX reports a file without X, the main matrix.
var ErrNoX = errors.New("the file has no X")

// ErrNotFound reports a column, layer or array that the file does not have.
var ErrNotFound = errors.New("not found")

// A DataError reports content that breaks the AnnData format.
type DataError struct {
	// File is the path given to Open.
	File string
	// Reason begins with the field inside the file, as in
	// "X/indices[17] = 9000, but there are 765 genes".
	Reason string

	cause error
}

// Error returns "file: reason".
func (e *DataError) Error() string { return e.File + ": " + e.Reason }

// Unwrap returns ErrNotFound or ErrNoX where one of them applies.
func (e *DataError) Unwrap() error { return e.cause }

// ErrorType classifies the error for retry policies: the same file fails the
// same way again.
func (e *DataError) ErrorType() string { return "InvalidDataError" }

func (f *File) errorf(format string, args ...any) error {
	return &DataError{File: f.path, Reason: fmt.Sprintf(format, args...)}
}

func (f *File) missing(cause error, format string, args ...any) error {
	return &DataError{File: f.path, Reason: fmt.Sprintf(format, args...), cause: cause}
}
