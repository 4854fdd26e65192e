package checkpoint

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	maxLabelSize = 4 << 20
	maxLabels    = 1 << 16
)

// readLabels reads cell types by class: a JSON list, a JSON object from class
// ("0", "1", …) to name or from name to class, or CSV with a line for each
// class: the name, or class and name in either order, with or without a header.
func readLabels(path string) ([]string, error) {
	data, err := readSmall(path, maxLabelSize)
	if err != nil {
		return nil, err
	}
	return parseLabels(path, data)
}

func parseLabels(path string, data []byte) ([]string, error) {
	var labels []string
	var err error
	switch trimmed := bytes.TrimSpace(data); {
	case strings.EqualFold(filepath.Ext(path), ".csv"):
		labels, err = csvLabels(path, data)
	case bytes.HasPrefix(trimmed, []byte("[")):
		if err := json.Unmarshal(data, &labels); err != nil {
			return nil, invalidf(path, "%v", err)
		}
	default:
		labels, err = objectLabels(path, data)
	}
	if err != nil {
		return nil, err
	}
	if len(labels) == 0 {
		return nil, invalidf(path, "no labels")
	}
	if len(labels) > maxLabels {
		return nil, invalidf(path, "%d labels, more than %d", len(labels), maxLabels)
	}
	seen := make(map[string]int, len(labels))
	for i, label := range labels {
		if label == "" {
			return nil, invalidf(path, "class %d has no name", i)
		}
		if j, twice := seen[label]; twice {
			return nil, invalidf(path, "classes %d and %d are both named %q", j, i, label)
		}
		seen[label] = i
	}
	return labels, nil
}

func objectLabels(path string, data []byte) ([]string, error) {
	byClass := map[int]string{}
	err := members(path, data, func(key string, value json.Token) error {
		switch value := value.(type) {
		case string:
			return place(path, byClass, key, value)
		case json.Number:
			return place(path, byClass, value.String(), key)
		}
		return invalidf(path, "%q: neither a name nor a class but %v", key, value)
	})
	if err != nil {
		return nil, err
	}
	return inOrder(path, byClass)
}

func csvLabels(path string, data []byte) ([]string, error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	r.TrimLeadingSpace = true
	var rows [][]string
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, invalidf(path, "%v", err)
		}
		if len(row) > 2 || len(rows) > 0 && len(row) != len(rows[0]) {
			return nil, invalidf(path, "line %d has %d fields; one (name) or two (class and name) would be right, the same in every line", len(rows)+1, len(row))
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	if len(rows[0]) == 1 {
		if isHeader(rows[0][0]) {
			rows = rows[1:]
		}
		labels := make([]string, len(rows))
		for i, row := range rows {
			labels[i] = row[0]
		}
		return labels, nil
	}
	if !isClass(rows[0][0]) && !isClass(rows[0][1]) {
		rows = rows[1:]
	}
	at := 0 // the field with the class
	for _, row := range rows {
		if !isClass(row[0]) {
			at = 1
		}
	}
	byClass := make(map[int]string, len(rows))
	for _, row := range rows {
		if err := place(path, byClass, row[at], row[1-at]); err != nil {
			return nil, err
		}
	}
	return inOrder(path, byClass)
}

// isHeader knows the headers of a one-column file; any other first line is a
// cell type.
func isHeader(s string) bool {
	switch strings.ToLower(s) {
	case "label", "labels", "name", "type", "celltype", "cell_type", "cell type":
		return true
	}
	return false
}

func isClass(s string) bool {
	_, err := strconv.ParseUint(s, 10, 31)
	return err == nil
}

func place(path string, byClass map[int]string, class, name string) error {
	n, err := strconv.ParseUint(class, 10, 31)
	if err != nil {
		return invalidf(path, "class %q of %q, a whole number from 0 on would be right", class, name)
	}
	if other, twice := byClass[int(n)]; twice {
		return invalidf(path, "class %d is both %q and %q", n, other, name)
	}
	byClass[int(n)] = name
	return nil
}

func inOrder(path string, byClass map[int]string) ([]string, error) {
	labels := make([]string, len(byClass))
	for i := range labels {
		name, ok := byClass[i]
		if !ok {
			return nil, invalidf(path, "there are %d classes, but class %d is missing: they must be 0 to %d", len(labels), i, len(labels)-1)
		}
		labels[i] = name
	}
	return labels, nil
}
