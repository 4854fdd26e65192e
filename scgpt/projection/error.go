package projection

import "fmt"

// Error is input that cannot be projected.
type Error struct {
	// Subject is the argument, with an index where one value is wrong:
	// "row 17, column 3".
	Subject string
	// Reason says what was found and what would be right.
	Reason string
	// Row and Column say which value is at fault, -1 where none is.
	Row, Column int
}

func (e *Error) Error() string { return e.Subject + ": " + e.Reason }

// ErrorType returns "InvalidDataError": trying again will not help.
func (e *Error) ErrorType() string { return "InvalidDataError" }

func invalidf(subject, format string, args ...any) error {
	return &Error{Subject: subject, Reason: fmt.Sprintf(format, args...), Row: -1, Column: -1}
}
