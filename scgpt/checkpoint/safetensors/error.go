package safetensors

// Error is a file that is not valid safetensors, or a tensor that does not
// hold what was asked of it.
type Error struct {
	// Path is the file, empty for data that came from elsewhere.
	Path string
	// Reason says what was found and what would be right.
	Reason string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return "safetensors: " + e.Reason
	}
	return e.Path + ": " + e.Reason
}

// ErrorType returns "InvalidDataError": trying again will not help.
func (e *Error) ErrorType() string { return "InvalidDataError" }
