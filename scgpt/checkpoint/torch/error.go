package torch

import "fmt"

// Error is a file that is not a state dict that can be read.
type Error struct {
	// Path is the file, empty for data that came from elsewhere.
	Path string
	// Reason says what was found and what would be right.
	Reason string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return "state dict: " + e.Reason
	}
	return e.Path + ": " + e.Reason
}

// ErrorType returns "InvalidDataError": trying again will not help.
func (e *Error) ErrorType() string { return "InvalidDataError" }

func invalidf(format string, args ...any) *Error {
	return &Error{Reason: fmt.Sprintf(format, args...)}
}
