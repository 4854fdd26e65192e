package engine

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
