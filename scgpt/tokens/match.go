package tokens

import (
	"fmt"
	"strings"
)

// Vocabulary gives a token its id. checkpoint.Vocab is one.
type Vocabulary interface {
	ID(token string) (int32, bool)
}

// DefaultMinShare is the least share of matched genes that Match accepts by
// default.
const DefaultMinShare = 0.5

// specials are tokens of every scGPT vocabulary that are no genes.
var specials = map[string]bool{"<pad>": true, "<cls>": true, "<eoc>": true, "<mask>": true, "<unk>": true}

// MatchOptions for [Match].
type MatchOptions struct {
	// Symbols are gene symbols by column, from a column of var say, asked when
	// the gene's name is not in the vocabulary. Empty strings are no symbol.
	// nil: none; else as many as genes.
	Symbols []string
	// Ensembl maps Ensembl gene ids without version to symbols, asked when
	// neither name nor symbol is in the vocabulary. nil: none.
	Ensembl map[string]string
	// MinShare is the least share of columns that must match, 0 to 1. Default
	// (0): DefaultMinShare; negative: any share, even 0.
	MinShare float64
	// PadToken is the vocabulary's padding token where it is not "<pad>"; like
	// the other specials it never matches a gene.
	PadToken string
}

// GeneMap is a matrix's columns in terms of the vocabulary. It does not change,
// so any number of tokenizers may share it.
type GeneMap struct {
	// IDs holds for each column its id in the vocabulary, -1 for none.
	IDs []int32
	// Names holds for each column its name in the matrix, for messages.
	Names []string
	// Report counts and lists what was matched.
	Report Report
}

// maxListed bounds the lists of a Report.
const maxListed = 100

// Report says how a matrix's genes were matched.
type Report struct {
	// Total is the number of columns.
	Total int `json:"total"`
	// Matched is the number of columns with an id.
	Matched int `json:"matched"`
	// Share is Matched / Total.
	Share float64 `json:"share"`
	// UnmatchedCount is the number of columns without an id that are no
	// duplicates, and Unmatched the names of the first hundred.
	UnmatchedCount int      `json:"unmatched_count"`
	Unmatched      []string `json:"unmatched"`
	// DuplicateCount is the number of columns left out because an earlier
	// column has the same id, and Duplicates the first hundred.
	DuplicateCount int         `json:"duplicate_count"`
	Duplicates     []Duplicate `json:"duplicates"`
	// MappedFromSymbols and MappedFromEnsembl are the numbers of columns that
	// matched by their symbol, or by MatchOptions.Ensembl, instead of by name.
	MappedFromSymbols int `json:"mapped_from_symbols"`
	MappedFromEnsembl int `json:"mapped_from_ensembl"`
	// EnsemblIDs is the number of unmatched columns whose name is an Ensembl
	// id, OtherCase that of those whose name would match in capitals.
	EnsemblIDs int `json:"ensembl_ids"`
	OtherCase  int `json:"other_case"`
}

// Duplicate is a column that was left out since an earlier one is the same gene.
type Duplicate struct {
	// Gene is the gene's name in the vocabulary.
	Gene string `json:"gene"`
	// Used is the column that stands for it, Column the one left out.
	Used   int `json:"used"`
	Column int `json:"column"`
}

// Match finds the columns named genes in the vocabulary: by name, else by
// symbol, else by Ensembl id. Names are case-sensitive. Of several columns with
// the same gene the first is used. When less than the least share of columns
// match, the error is a [MatchError] that says which did not.
func Match(genes []string, vocab Vocabulary, o MatchOptions) (*GeneMap, error) {
	if o.Symbols != nil && len(o.Symbols) != len(genes) {
		return nil, fmt.Errorf("%d gene symbols for %d genes", len(o.Symbols), len(genes))
	}
	if o.MinShare > 1 || o.MinShare != o.MinShare {
		return nil, fmt.Errorf("a least share of %v genes, 0 to 1 would be right", o.MinShare)
	}
	least := o.MinShare
	switch {
	case least == 0:
		least = DefaultMinShare
	case least < 0:
		least = 0
	}

	m := matcher{vocab: vocab, options: o}
	g := &GeneMap{IDs: make([]int32, len(genes)), Names: append([]string(nil), genes...)}
	r := &g.Report
	r.Total = len(genes)
	used := make(map[int32]int, len(genes))
	for column, name := range genes {
		g.IDs[column] = -1
		id, token, how := m.find(column, name)
		if how == notFound {
			r.UnmatchedCount++
			if len(r.Unmatched) < maxListed {
				r.Unmatched = append(r.Unmatched, name)
			}
			if _, ok := EnsemblID(name); ok {
				r.EnsemblIDs++
			} else if _, ok := m.id(strings.ToUpper(name)); ok {
				r.OtherCase++
			}
			continue
		}
		if first, twice := used[id]; twice {
			r.DuplicateCount++
			if len(r.Duplicates) < maxListed {
				r.Duplicates = append(r.Duplicates, Duplicate{Gene: token, Used: first, Column: column})
			}
			continue
		}
		used[id] = column
		g.IDs[column] = id
		r.Matched++
		switch how {
		case bySymbol:
			r.MappedFromSymbols++
		case byEnsembl:
			r.MappedFromEnsembl++
		}
	}
	if r.Total > 0 {
		r.Share = float64(r.Matched) / float64(r.Total)
	}
	if r.Share < least {
		return nil, &MatchError{Report: *r, MinShare: least}
	}
	return g, nil
}

// Only returns the map with ids for the given tokens alone, as if the matrix had
// no other genes, and how many of the tokens the matrix has.
func (g *GeneMap) Only(ids []int32) (only *GeneMap, found int) {
	keep := make(map[int32]bool, len(ids))
	for _, id := range ids {
		keep[id] = true
	}
	only = &GeneMap{IDs: make([]int32, len(g.IDs)), Names: g.Names, Report: g.Report}
	for column, id := range g.IDs {
		only.IDs[column] = -1
		if id >= 0 && keep[id] {
			only.IDs[column] = id
			found++
		}
	}
	return only, found
}

// How a column was found.
const (
	notFound = iota
	byName
	bySymbol
	byEnsembl
)

type matcher struct {
	vocab   Vocabulary
	options MatchOptions
}

// id is the vocabulary's but for specials, and for ids that no embedding has.
func (m matcher) id(token string) (int32, bool) {
	if token == "" || specials[token] || token == m.options.PadToken {
		return 0, false
	}
	id, ok := m.vocab.ID(token)
	return id, ok && id >= 0
}

func (m matcher) find(column int, name string) (id int32, token string, how int) {
	if id, ok := m.id(name); ok {
		return id, name, byName
	}
	names := []string{name}
	if m.options.Symbols != nil {
		symbol := m.options.Symbols[column]
		if id, ok := m.id(symbol); ok {
			return id, symbol, bySymbol
		}
		names = append(names, symbol)
	}
	for _, n := range names {
		bare, ok := EnsemblID(n)
		if !ok {
			continue
		}
		if id, ok := m.id(bare); ok {
			return id, bare, byName
		}
		symbol := m.options.Ensembl[bare]
		if id, ok := m.id(symbol); ok {
			return id, symbol, byEnsembl
		}
	}
	return 0, "", notFound
}

// EnsemblID returns an Ensembl gene id without its version (ENSG00000141510.16 →
// ENSG00000141510; a suffix as in ….16_PAR_Y goes with it), and whether name is
// one. Symbols with a dot, of clones say (AC012345.1), are none.
func EnsemblID(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, "ENS")
	if !ok {
		return "", false
	}
	// Other species have their letters before the G: ENSMUSG.
	species := strings.IndexAny(rest, "0123456789")
	if species < 1 || species > 5 || rest[species-1] != 'G' {
		return "", false
	}
	digits, _, _ := strings.Cut(rest[species:], ".")
	if len(digits) != 11 || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	return name[:len("ENS")+species+len(digits)], true
}
