package checkpoint

import (
	"errors"
	"fmt"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/torch"
)

// Error is a model folder that does not describe a model that can run. A file
// that is not there is not an Error but keeps fs.ErrNotExist.
type Error struct {
	// Path is the file or folder.
	Path string
	// Reason names the field or tensor, what was found and what would be right.
	Reason string
}

func (e *Error) Error() string { return e.Path + ": " + e.Reason }

// ErrorType returns "InvalidDataError": trying again will not help.
func (e *Error) ErrorType() string { return "InvalidDataError" }

func invalidf(path, format string, args ...any) error {
	return &Error{Path: path, Reason: fmt.Sprintf(format, args...)}
}

// adopt turns what the readers of weights say about a file's form into an
// Error and leaves everything else, a missing file say, as it is.
func adopt(err error) error {
	var st *safetensors.Error
	var pt *torch.Error
	switch {
	case errors.As(err, &st):
		return &Error{Path: st.Path, Reason: st.Reason}
	case errors.As(err, &pt):
		return &Error{Path: pt.Path, Reason: pt.Reason}
	}
	return err
}
