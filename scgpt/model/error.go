package model

import "fmt"

// Error is a batch or a checkpoint that the model cannot work with.
type Error struct {
	// Subject is what was wrong: "batch", "options" or a tensor's name.
	Subject string
	// Reason says what was found and what would be right.
	Reason string
}

func (e *Error) Error() string { return "model: " + e.Subject + ": " + e.Reason }

// ErrorType returns "InvalidDataError": trying again will not help.
func (e *Error) ErrorType() string { return "InvalidDataError" }

func invalidf(subject, format string, args ...any) error {
	return &Error{Subject: subject, Reason: fmt.Sprintf(format, args...)}
}
