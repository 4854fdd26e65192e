package checkpoint

import (
	"encoding/json"
	"path/filepath"
	"strconv"
)

// maxVocabSize is the largest vocab.json that is read, in bytes: thirty times
// that of the whole-human model.
const maxVocabSize = 32 << 20

// Vocab maps tokens, which are gene symbols and a few specials, to rows of the
// embedding and back. It does not change, so any number of goroutines may use
// it.
type Vocab struct {
	tokens   []string
	ids      map[string]int32
	pad, cls int32
	specials []string
}

// Len returns the number of tokens.
func (v *Vocab) Len() int { return len(v.tokens) }

// ID returns a token's id, and whether the vocabulary holds it. Tokens are
// case-sensitive.
func (v *Vocab) ID(token string) (int32, bool) {
	id, ok := v.ids[token]
	return id, ok
}

// Token returns the token of an id, "" for an id that there is not.
func (v *Vocab) Token(id int32) string {
	if id < 0 || int(id) >= len(v.tokens) {
		return ""
	}
	return v.tokens[id]
}

// Pad returns the id of the padding token.
func (v *Vocab) Pad() int32 { return v.pad }

// CLS returns the id of <cls>.
func (v *Vocab) CLS() int32 { return v.cls }

// Specials returns the tokens that are no genes: padding, <cls> and <eoc>. The
// slice is the caller's.
func (v *Vocab) Specials() []string { return append([]string(nil), v.specials...) }

func readVocab(dir, padToken string) (*Vocab, error) {
	path := filepath.Join(dir, "vocab.json")
	data, err := readSmall(path, maxVocabSize)
	if err != nil {
		return nil, err
	}
	return parseVocab(path, data, padToken)
}

// parseVocab reads a flat object token → id. The ids are those of the
// embedding's rows, so they must be 0 to n-1, in any textual order. Missing
// specials are appended in upstream's order.
func parseVocab(path string, data []byte, padToken string) (*Vocab, error) {
	v := &Vocab{ids: map[string]int32{}}
	err := members(path, data, func(token string, value json.Token) error {
		number, ok := value.(json.Number)
		if !ok {
			return invalidf(path, "the id of %q is %v, a number would be right", token, value)
		}
		id, err := strconv.ParseInt(number.String(), 10, 32)
		if err != nil || id < 0 {
			return invalidf(path, "the id of %q is %s, a whole number from 0 on would be right", token, number)
		}
		v.ids[token] = int32(id)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(v.ids) == 0 {
		return nil, invalidf(path, "no tokens")
	}

	v.tokens = make([]string, len(v.ids), len(v.ids)+3)
	taken := make([]bool, len(v.ids))
	for token, id := range v.ids {
		if int(id) >= len(taken) {
			return nil, invalidf(path, "the id of %q is %d, but there are %d tokens: ids must be 0 to %d without gaps", token, id, len(taken), len(taken)-1)
		}
		if taken[id] {
			return nil, invalidf(path, "tokens %q and %q share the id %d", min(token, v.tokens[id]), max(token, v.tokens[id]), id)
		}
		taken[id] = true
		v.tokens[id] = token
	}
	v.specials = []string{padToken, "<cls>", "<eoc>"}
	for _, special := range v.specials {
		if _, ok := v.ids[special]; !ok {
			v.ids[special] = int32(len(v.tokens))
			v.tokens = append(v.tokens, special)
		}
	}
	v.pad, v.cls = v.ids[padToken], v.ids["<cls>"]
	return v, nil
}
