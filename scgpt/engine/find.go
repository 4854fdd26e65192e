package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// FallbackModel is the published whole-human model, the default in a folder
// that holds several.
const FallbackModel = "scGPT_human"

// ModelNotFoundError says that there is no model of a name, or that the name is
// missing and there is no default.
type ModelNotFoundError struct {
	// Name as asked for, "" where the default was.
	Name string
	// Folder of models and the names in it.
	Folder string
	There  []string
	// Err is why the folder could not be read, if it could not.
	Err error
}

func (e *ModelNotFoundError) Error() string {
	there := "none"
	if len(e.There) > 0 {
		there = strings.Join(e.There, ", ")
	}
	switch {
	case e.Err != nil:
		return fmt.Sprintf("the model folder %s cannot be read: %v", e.Folder, e.Err)
	case e.Name == "" && len(e.There) > 1:
		return fmt.Sprintf("no model is named, and %s holds several: choose one of %s", e.Folder, there)
	case e.Name == "":
		return fmt.Sprintf("no model is named, and %s holds none: a model is a folder with args.json, vocab.json and best_model.pt", e.Folder)
	default:
		return fmt.Sprintf("there is no model %q; %s holds %s", e.Name, e.Folder, there)
	}
}

// ErrorType is the class of the error.
func (*ModelNotFoundError) ErrorType() string { return "ModelNotFoundError" }

// Models lists the models in a folder: the names, sorted, of the folders in it
// that hold an args.json.
func Models(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(folder, e.Name(), "args.json")); err == nil {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// FindModel returns the name of a model in a folder. For name "" that is
// fallback, else the only model there, else [FallbackModel]. The error is a
// *[ModelNotFoundError].
func FindModel(folder, name, fallback string) (string, error) {
	there, err := Models(folder)
	if err != nil {
		return "", &ModelNotFoundError{Name: name, Folder: folder, Err: err}
	}
	switch {
	case name != "":
	case fallback != "":
		name = fallback
	case len(there) == 1:
		name = there[0]
	case slices.Contains(there, FallbackModel):
		name = FallbackModel
	}
	if !slices.Contains(there, name) {
		return "", &ModelNotFoundError{Name: name, Folder: folder, There: there}
	}
	return name, nil
}
