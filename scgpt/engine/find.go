package engine

import (
	"errors"
	"fmt"
	"io/fs"
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
	// Denied are the folders in it that may be models and may not be read.
	Denied []string
	// Err is why the folder could not be read, if it could not.
	Err error
}

func (e *ModelNotFoundError) Error() string {
	there := strings.Join(e.There, ", ")
	asked := ""
	if e.Name != "" {
		asked = fmt.Sprintf(" %q", e.Name)
	}
	switch {
	case e.Err != nil:
		return fmt.Sprintf("the model folder %s cannot be read: %v: want a folder with one folder for each model", e.Folder, e.Err)
	case e.Name == "" && len(e.There) > 0:
		return fmt.Sprintf("no model is named, and %s holds several: choose one of %s", e.Folder, there)
	case len(e.There) == 0 && len(e.Denied) > 0:
		return fmt.Sprintf("there is no model%s: %s holds none that can be read: permission denied for %s", asked, e.Folder, strings.Join(e.Denied, ", "))
	case len(e.There) == 0:
		return fmt.Sprintf("there is no model%s: %s holds none: a model is a folder with args.json, vocab.json and best_model.pt", asked, e.Folder)
	default:
		return fmt.Sprintf("there is no model %q; %s holds %s", e.Name, e.Folder, there)
	}
}

// ErrorType is the class of the error.
func (*ModelNotFoundError) ErrorType() string { return "ModelNotFoundError" }

// DeniedError says that the folder of models, or one in it, may not be read: what
// is there is not known.
type DeniedError struct {
	// Path is that of the folder.
	Path string
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("the folder %s cannot be read: permission denied: want one that the user of this program may read and enter", e.Path)
}

// ErrorType is the class of the error: another attempt would not change it.
func (*DeniedError) ErrorType() string { return "InvalidDataError" }

// Unwrap returns [fs.ErrPermission].
func (*DeniedError) Unwrap() error { return fs.ErrPermission }

// Models lists the models in a folder: the names, sorted, of the folders in it
// that hold an args.json. Those that may not be read are left out.
func Models(folder string) ([]string, error) {
	names, _, err := listModels(folder)
	return names, err
}

// listModels lists the models in a folder, and the folders in it that may be some
// but may not be read.
func listModels(folder string) (names, denied []string, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		switch _, err := os.Stat(filepath.Join(folder, e.Name(), "args.json")); {
		case err == nil:
			names = append(names, e.Name())
		case errors.Is(err, fs.ErrPermission):
			denied = append(denied, e.Name())
		}
	}
	return names, denied, nil
}

// FindModel returns the name of a model in a folder. For name "" that is
// fallback, else the only model there, else [FallbackModel]. The error is a
// *[ModelNotFoundError], or a *[DeniedError] where permission is what is missing.
func FindModel(folder, name, fallback string) (string, error) {
	there, denied, err := listModels(folder)
	if errors.Is(err, fs.ErrPermission) {
		return "", &DeniedError{Path: folder}
	}
	if err != nil {
		return "", &ModelNotFoundError{Name: name, Folder: folder, Err: err}
	}
	switch {
	case name != "":
	case fallback != "":
		name = fallback
	case slices.Contains(denied, FallbackModel): // another one must not take its place
		name = FallbackModel
	case len(there) == 1:
		name = there[0]
	case slices.Contains(there, FallbackModel):
		name = FallbackModel
	}
	switch {
	case slices.Contains(denied, name):
		return "", &DeniedError{Path: filepath.Join(folder, name)}
	case !slices.Contains(there, name):
		return "", &ModelNotFoundError{Name: name, Folder: folder, There: there, Denied: denied}
	}
	return name, nil
}
