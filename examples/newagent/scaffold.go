package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

// templates holds a file NAME.tmpl for each file to write, under its path, where
// NAME stands for the agent's name.
//
//go:embed templates
var templates embed.FS

// about is what the templates are filled with.
type about struct {
	Name  string // greeter
	Title string // Greeter
	Path  string // import path of the agent's package
}

// file is one to be written.
type file struct {
	path string // relative to the user's folder, with slashes
	data []byte
}

// scaffold writes the files of an agent into dir, all of them or none, and
// replaces none. It returns the import path of dir and the paths of the files.
func scaffold(name, dir, module string) (imports string, paths []string, err error) {
	imports, missing, err := importPath(dir, module)
	if err != nil {
		return "", nil, err
	}
	files, err := render(about{Name: name, Title: title(name), Path: imports + "/" + name})
	if err != nil {
		return "", nil, err
	}
	if missing {
		files = append(files, file{"go.mod", fmt.Appendf(nil, "module %s\n\ngo 1.26\n", module)})
	}
	for _, folder := range []string{name, "cmd/" + name + "-worker", "cmd/" + name + "-start"} {
		if err := checkEmpty(filepath.Join(dir, filepath.FromSlash(folder))); err != nil {
			return "", nil, err
		}
	}
	for _, f := range files {
		paths = append(paths, f.path)
	}
	return imports, paths, write(dir, files)
}

// render fills the templates.
func render(a about) (files []file, err error) {
	err = fs.WalkDir(templates, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		t, err := template.ParseFS(templates, path)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		if err := t.Execute(&text, a); err != nil {
			return err
		}
		// Imports are sorted by the names that were filled in.
		data, err := format.Source(text.Bytes())
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		path = strings.TrimSuffix(strings.TrimPrefix(path, "templates/"), ".tmpl")
		files = append(files, file{strings.ReplaceAll(path, "NAME", a.Name), data})
		return nil
	})
	return files, err
}

// checkEmpty refuses a folder that holds anything.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s exists and is not empty (it holds %s): choose another name or another --dir", dir, entries[0].Name())
	}
	return nil
}

// write writes the files, and takes them back if it cannot write all.
func write(dir string, files []file) (err error) {
	var made []string // files and folders, in this order
	defer func() {
		if err == nil {
			return
		}
		for _, path := range slices.Backward(made) {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.path))
		folders, err := makeFolders(filepath.Dir(path))
		made = append(made, folders...)
		if err != nil {
			return err
		}
		out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		made = append(made, path)
		_, err = out.Write(f.data)
		if err := errors.Join(err, out.Close()); err != nil {
			return err
		}
	}
	return nil
}

// makeFolders is os.MkdirAll that tells what it made, parents first.
func makeFolders(dir string) (made []string, err error) {
	err = os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrNotExist) {
		if made, err = makeFolders(filepath.Dir(dir)); err != nil {
			return made, err
		}
		err = os.Mkdir(dir, 0o755)
	}
	switch {
	case err == nil:
		return append(made, dir), nil
	case errors.Is(err, fs.ErrExist):
		return made, nil
	default:
		return made, err
	}
}
