package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// importPath returns the import path of a folder, which need not exist yet: by
// the go.mod in it or above it, else the one that the user says. missing is
// true where there is no go.mod.
func importPath(dir, module string) (imports string, missing bool, err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", false, err
	}
	root, declared, err := findModule(abs)
	switch {
	case err != nil:
		return "", false, err
	case root == "" && module == "":
		return "", false, fmt.Errorf("there is no go.mod in %s or above it: run `go mod init example.com/mine` there, or say --module example.com/mine to have one written", dir)
	case root == "":
		return module, true, checkImportPath(module)
	}
	rel, err := filepath.Rel(root, abs)
	if err != nil {
		return "", false, err
	}
	imports = path.Join(declared, filepath.ToSlash(rel))
	if module != "" && module != imports {
		return "", false, fmt.Errorf("--module is %s, but by %s the folder %s is %s: leave --module out, or choose another --dir",
			module, filepath.Join(root, "go.mod"), dir, imports)
	}
	return imports, false, checkImportPath(imports)
}

// findModule returns the folder of the nearest go.mod and the path that it
// declares; both are empty if there is none.
func findModule(dir string) (root, declared string, err error) {
	for {
		file := filepath.Join(dir, "go.mod")
		data, err := os.ReadFile(file)
		if err == nil {
			declared, err := modulePath(string(data))
			if err != nil {
				return "", "", fmt.Errorf("%s: %w", file, err)
			}
			return dir, declared, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", "", err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", "", nil
		}
		dir = parent
	}
}

var moduleLine = regexp.MustCompile(`(?m)^[ \t]*module(?:[ \t]+|[ \t]*\([ \t\r\n]+)("[^"\n]*"|` + "`[^`\n]*`" + `|[^\s"` + "`" + `()]+)`)

// modulePath returns the path of a go.mod's module directive.
func modulePath(gomod string) (string, error) {
	found := moduleLine.FindStringSubmatch(gomod)
	if found == nil {
		return "", errors.New("it has no line such as: module example.com/mine")
	}
	if declared, err := strconv.Unquote(found[1]); err == nil {
		return declared, nil
	}
	return found[1], nil
}

var validElement = regexp.MustCompile(`^[A-Za-z0-9~-][A-Za-z0-9._~-]*$`)

// checkImportPath refuses what the go tool would refuse or overlook.
func checkImportPath(p string) error {
	for element := range strings.SplitSeq(p, "/") {
		if !validElement.MatchString(element) || strings.HasSuffix(element, ".") || element == "testdata" || element == "vendor" {
			return fmt.Errorf("the import path would be %q, but %q can be no part of one: choose another --dir or --module", p, element)
		}
	}
	return nil
}
