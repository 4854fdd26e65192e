package anndata

import (
	"errors"
	"strconv"
)

var (
	errEntry = errors.New("want a gene, a cell and a value")
	errWhole = errors.New("the value is not a whole number, but the first line says integer")
)

// entry reads one entry. The gene is -1 on an empty line.
func (k *market) entry(line []byte) (gene, cell int, value float64, err error) {
	first, rest := word(line)
	if len(first) == 0 {
		return -1, 0, 0, nil
	}
	second, rest := word(rest)
	third, rest := word(rest)
	if gene, err = number(first, k.genes, "genes"); err != nil {
		return 0, 0, 0, err
	}
	if cell, err = number(second, k.cells, "cells"); err != nil {
		return 0, 0, 0, err
	}
	if more, _ := word(rest); len(third) == 0 || len(more) > 0 {
		return 0, 0, 0, errEntry
	}
	if n, ok := digits(third); ok {
		return gene, cell, float64(n), nil
	}
	if k.field == "integer" {
		n, err := strconv.ParseInt(string(third), 10, 64)
		if err != nil {
			return 0, 0, 0, errWhole
		}
		return gene, cell, float64(n), nil
	}
	if value, err = strconv.ParseFloat(string(third), 64); err != nil {
		return 0, 0, 0, errEntry
	}
	return gene, cell, value, nil
}

// number reads a position counted from 1 and returns it counted from 0.
func number(b []byte, limit int, unit string) (int, error) {
	n, ok := digits(b)
	if !ok {
		return 0, errEntry
	}
	if n < 1 || n > limit {
		return 0, &positionError{n, limit, unit}
	}
	return n - 1, nil
}

// A positionError reports a position outside of the matrix.
type positionError struct {
	at, limit int
	unit      string
}

func (e *positionError) Error() string {
	return "position " + strconv.Itoa(e.at) + ", but there are " + strconv.Itoa(e.limit) + " " + e.unit + ", counted from 1"
}

// word cuts the first word off a line.
func word(b []byte) (first, rest []byte) {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	from := i
	for i < len(b) && b[i] != ' ' && b[i] != '\t' {
		i++
	}
	return b[from:i], b[i:]
}

// digits reads a whole number without a sign, of at most 15 digits: longer ones
// are left to strconv.
func digits(b []byte) (n int, ok bool) {
	if len(b) == 0 || len(b) > 15 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// excerpt quotes the beginning of a line.
func excerpt(line []byte) string {
	const most = 60
	if len(line) > most {
		return strconv.Quote(string(line[:most])) + "…"
	}
	return strconv.Quote(string(line))
}
