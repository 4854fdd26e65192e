package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/serviceerror"

	"github.com/seed-ab6af24b/troupe/retry"
)

// report prints an error: one line on stderr that begins with its class, and
// with --json an object on stdout.
func (a *app) report(err error) {
	class, message := describe(err)
	fmt.Fprintf(a.stderr, "%s: %s\n", class, message)
	if a.json {
		type problem struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		}
		a.printJSON(map[string]problem{"error": {class, message}})
	}
}

// describe returns the class and the text, on one line, of an error.
func describe(err error) (class, message string) {
	message = strings.Join(strings.Fields(retry.Message(err)), " ")
	var usage *usageError
	var unavailable *serviceerror.Unavailable
	if c, ok := retry.ClassOf(err); ok {
		return string(c), message
	}
	switch {
	case errors.As(err, &usage):
		return "UsageError", message
	case errors.As(err, &unavailable):
		return "UnavailableError", message + " (is a server running? go run ./examples/scgpt server)"
	default:
		return "Error", message
	}
}

func (a *app) printJSON(v any) {
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		a.printed = fmt.Errorf("print the result: %w", err)
	}
}
