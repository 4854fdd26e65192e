package reference

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/seed-ab6af24b/troupe/scgpt/engine"
)

// Format of the references that this version makes and reads.
const Format = "troupe-reference-1"

const (
	manifestName = "reference.json"
	// maxManifest bounds what is read of a manifest: its types are at most
	// evaluate.MaxLabels names.
	maxManifest = 4 << 20
	// labelKey is the column of obs that holds the labels.
	labelKey = "cell_type"
)

// Manifest says what a reference was made from and by. It holds nothing that
// differs between two builds from the same.
type Manifest struct {
	Format string `json:"format"`
	Name   string `json:"name"`
	// Model is the checkpoint's name, Fingerprint what identifies it.
	Model       string `json:"model"`
	Fingerprint string `json:"fingerprint"`
	// Device is the class of the device that computed the embeddings.
	Device string `json:"device"`
	// Options say how cells were turned into tokens.
	Options engine.Options `json:"options"`
	// Source is the labelled file.
	Source Source `json:"source"`
	// Cells counts the cells; Skipped those of the file that have no label,
	// or no gene that the model knows.
	Cells   int `json:"cells"`
	Skipped int `json:"skipped"`
	// Dim is the length of an embedding.
	Dim int `json:"dim"`
	// Types holds the number of cells of each label.
	Types map[string]int `json:"types"`
	// GenesMatched of GenesTotal genes of the file were in the model's
	// vocabulary.
	GenesMatched int `json:"genes_matched"`
	GenesTotal   int `json:"genes_total"`
	// File is the name of the file with the cells, SHA256 its sum.
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	// Version of the agent that built it.
	Version string `json:"version"`
}

// Source is the labelled file that a reference was built from.
type Source struct {
	File        string `json:"file"`
	SHA256      string `json:"sha256"`
	LabelColumn string `json:"label_column"`
}

// readManifest reads and checks the manifest of a folder, and returns its sum.
func readManifest(dir string) (m Manifest, sum string, err error) {
	path := filepath.Join(dir, manifestName)
	f, err := os.Open(path)
	if err != nil {
		return m, "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return m, "", err
	}
	if len(data) > maxManifest {
		return m, "", &Error{path, fmt.Sprintf("more than %d bytes", maxManifest)}
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, "", &Error{path, fmt.Sprintf("no manifest of a reference: %v", err)}
	}
	if err := m.check(path); err != nil {
		return m, "", err
	}
	hash := sha256.Sum256(data)
	return m, hex.EncodeToString(hash[:]), nil
}

// maxDim bounds the length of an embedding, against sizes that overflow.
const maxDim = 1 << 20

func (m Manifest) check(path string) error {
	switch {
	case m.Format != Format:
		return &Error{path, fmt.Sprintf("format is %q, want %q: build the reference anew", m.Format, Format)}
	case !fileName.MatchString(m.File):
		return &Error{path, fmt.Sprintf("file is %q, want a name such as cells-0123abcd.h5ad", m.File)}
	case m.Dim < 1 || m.Dim > maxDim:
		return &Error{path, fmt.Sprintf("dim is %d, want 1 to %d", m.Dim, maxDim)}
	case m.Cells < 1:
		return &Error{path, fmt.Sprintf("cells is %d, want at least 1", m.Cells)}
	}
	return nil
}

// fileName matches the names of files with cells.
var fileName = regexp.MustCompile(`^cells-[0-9a-f]{8}\.h5ad$`)

// write writes the manifest, which makes a reference of the folder, and removes
// the cells of the one before.
func (m Manifest) write(dir string) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, ".troupe-*.tmp")
	if err != nil {
		return err
	}
	_, err = io.Copy(tmp, bytes.NewReader(append(data, '\n')))
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(dir, manifestName))
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != m.File && fileName.MatchString(e.Name()) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
