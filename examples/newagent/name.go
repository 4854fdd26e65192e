package main

import (
	"fmt"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strings"
)

// maxNameBytes bounds names, which become names of files.
const maxNameBytes = 40

var validName = regexp.MustCompile(`^[a-z][a-z0-9]*$`)

// reserved lists names that the written code uses for other packages, or that
// the go tool treats in its own way.
var reserved = []string{
	"agent", "agenttest", "api", "client", "context", "envconfig", "errors", "fmt", "os", "registry", "require", "retry",
	"signal", "strings", "syscall", "testing", "time", "workflow",
	"cmd", "init", "internal", "main", "testdata", "vendor",
}

// checkName reports why an agent cannot have the name, which becomes that of a
// package, a folder and a task queue.
func checkName(name string) error {
	switch {
	case len(name) > maxNameBytes:
		return fmt.Errorf("the name has %d bytes, more than %d", len(name), maxNameBytes)
	case !validName.MatchString(name):
		return fmt.Errorf("the name is %q, but must be that of a Go package: lower-case letters and digits, a letter first, such as greeter", name)
	case token.IsKeyword(name), types.Universe.Lookup(name) != nil:
		return fmt.Errorf("the name %q is a word of the Go language: choose another, such as %sagent", name, name)
	case slices.Contains(reserved, name):
		return fmt.Errorf("the name %q is taken by a package that the agent needs, or by the go tool: choose another, such as my%s", name, name)
	}
	return nil
}

// title is the name as the beginning of an exported name.
func title(name string) string { return strings.ToUpper(name[:1]) + name[1:] }
