package engine

import (
	"errors"
	"fmt"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/projection"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens/hvg"
)

// Error is a request that cannot be met with the file or model at hand. Its
// class is InvalidDataError.
type Error struct {
	// Path is the file or folder at fault.
	Path    string
	Problem string
}

func (e *Error) Error() string { return e.Path + ": " + e.Problem }

// ErrorType is the class of the error.
func (*Error) ErrorType() string { return "InvalidDataError" }

// placed puts the file's name before an error, and where the error is about a value
// says whose it is: the number of a gene there is one among those that were looked
// at, of which column gives the place in the file. hint goes on with that.
func placed(f *anndata.File, hint string, err error, column func(gene int) int) error {
	var cell, gene int
	var reason string
	var choice *hvg.DataError
	var principal *projection.Error
	switch {
	case errors.As(err, &choice) && choice.Column >= 0:
		cell, gene, reason = choice.Cell, choice.Column, choice.Reason
	case errors.As(err, &principal) && principal.Column >= 0:
		cell, gene, reason = principal.Row, principal.Column, principal.Reason
	default:
		return fmt.Errorf("%s: %w", f.Path(), err)
	}
	at := column(gene)
	cells, cellsErr := f.Obs().Index()
	genes, genesErr := f.Var().Index()
	if err := errors.Join(cellsErr, genesErr); err != nil {
		return err
	}
	return &Error{f.Path(), fmt.Sprintf("cell %d (%q): gene %q (column %d): %s%s", cell, cells[cell], genes[at], at, reason, hint)}
}
