package reference

import (
	"fmt"
	"strings"
)

// Error is a reference or a request for one that is at fault. Its class is
// InvalidDataError.
type Error struct {
	// Path is the reference's folder or the file at fault.
	Path    string
	Problem string
}

func (e *Error) Error() string { return e.Path + ": " + e.Problem }

// ErrorType is the class of the error.
func (*Error) ErrorType() string { return "InvalidDataError" }

// NotFoundError says that there is no reference of a name. Its class is
// FileNotFoundError.
type NotFoundError struct {
	Name string
	// Folder of references and the names in it.
	Folder string
	There  []string
}

func (e *NotFoundError) Error() string {
	there := "none"
	if len(e.There) > 0 {
		there = strings.Join(e.There, ", ")
	}
	folder := e.Folder
	if folder == "" {
		folder = "(no folder of references is set)"
	}
	return fmt.Sprintf("there is no reference %q; %s holds %s. One is built from any labelled .h5ad, such as a data set "+
		"downloaded from CELLxGENE (cellxgene.cziscience.com/datasets): "+
		"scgpt reference build --name %s --data FILE.h5ad --label-column cell_type --model MODEL --references DIR",
		e.Name, folder, there, e.Name)
}

// ErrorType is the class of the error.
func (*NotFoundError) ErrorType() string { return "FileNotFoundError" }
