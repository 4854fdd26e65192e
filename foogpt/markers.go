package foogpt

import (
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

//go:embed markers.tsv
var markersFile string

// cellType is a line of the table.
type cellType struct {
	name      string
	parents   []string // from the nearest to the most general
	tissues   []string // empty for any
	genes     []string // the type's own markers, upper case
	inherited []string // those of its parents
	source    string
}

// markerTable holds cell types in the order of the file, parents first.
type markerTable []cellType

// parseMarkers reads markers.tsv; the head of the file says what it holds.
func parseMarkers(file string) (markerTable, error) {
	r := csv.NewReader(strings.NewReader(file))
	r.Comma, r.Comment, r.FieldsPerRecord = '\t', '#', 5
	if _, err := r.Read(); err != nil {
		return nil, fmt.Errorf("markers.tsv: header: %w", err)
	}
	var table markerTable
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return table, nil
		}
		if err != nil {
			return nil, fmt.Errorf("markers.tsv: %w", err)
		}
		t := cellType{name: row[0], genes: strings.Fields(row[3]), source: row[4]}
		if parent := row[1]; parent != "-" {
			i := slices.IndexFunc(table, func(p cellType) bool { return p.name == parent })
			if i < 0 {
				return nil, fmt.Errorf("markers.tsv: %s: its parent %q does not stand above it", t.name, parent)
			}
			p := table[i]
			t.parents = slices.Concat([]string{p.name}, p.parents)
			t.inherited = slices.Concat(p.genes, p.inherited)
		}
		if row[2] != "any" {
			t.tissues = strings.Split(row[2], ", ")
		}
		table = append(table, t)
	}
}

// tissues returns the tissues that the table knows, in its order.
func (m markerTable) tissues() []string {
	var known []string
	for _, t := range m {
		for _, tissue := range t.tissues {
			if !slices.Contains(known, tissue) {
				known = append(known, tissue)
			}
		}
	}
	return known
}

// in returns the types that occur in a tissue, none if the tissue is unknown.
func (m markerTable) in(tissue string) markerTable {
	tissue = strings.ToLower(tissue)
	if !slices.Contains(m.tissues(), tissue) {
		return nil
	}
	var types markerTable
	for _, t := range m {
		if len(t.tissues) == 0 || slices.Contains(t.tissues, tissue) {
			types = append(types, t)
		}
	}
	return types
}
