package hdf5

import (
	"errors"
	"fmt"
)

// ErrNotFound reports an object that the file does not have.
var ErrNotFound = errors.New("no such object")

// A FormatError reports a file that is not HDF5, is damaged, or uses a feature
// that this package does not read.
type FormatError struct {
	// File is the name given to Open.
	File string
	// Object is the path inside the file, empty for the file as a whole.
	Object string
	// Reason says what was found.
	Reason string
	// Unsupported is true where the file may be sound but needs a feature
	// that this package lacks. Such an error matches errors.ErrUnsupported.
	Unsupported bool
}

// Error returns "file: object: reason".
func (e *FormatError) Error() string {
	s := e.Reason
	if e.Object != "" {
		s = e.Object + ": " + s
	}
	if e.File != "" {
		s = e.File + ": " + s
	}
	return s
}

// Is makes unsupported features match errors.ErrUnsupported.
func (e *FormatError) Is(target error) bool {
	return e.Unsupported && target == errors.ErrUnsupported
}

// ErrorType classifies the error for retry policies: the same file fails the
// same way again.
func (e *FormatError) ErrorType() string { return "InvalidDataError" }

func corrupt(format string, args ...any) error {
	return &FormatError{Reason: fmt.Sprintf(format, args...)}
}

func unsupported(format string, args ...any) error {
	return &FormatError{Reason: fmt.Sprintf(format, args...) + " is not supported", Unsupported: true}
}

// locate adds the file and the object to an error from inside the package.
func (f *File) locate(object string, err error) error {
	if err == nil {
		return nil
	}
	var fe *FormatError
	if errors.As(err, &fe) {
		if fe.File != "" {
			return err
		}
		located := *fe
		located.File, located.Object = f.name, object
		return &located
	}
	if object == "" {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	return fmt.Errorf("%s: %s: %w", f.name, object, err)
}
