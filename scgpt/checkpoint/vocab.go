package checkpoint

import (
	"bytes"
	"encoding/json"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"
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
	v := &Vocab{}
	ids, plain := plainVocab(data)
	if !plain {
		var err error
		if ids, err = anyVocab(path, data); err != nil {
			return nil, err
		}
	}
	v.ids = ids
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

// anyVocab reads any JSON object from token to id, or says what is wrong.
func anyVocab(path string, data []byte) (map[string]int32, error) {
	ids := map[string]int32{}
	err := members(path, data, func(token string, value json.Token) error {
		number, ok := value.(json.Number)
		if !ok {
			return invalidf(path, "the id of %q is %v, a number would be right", token, value)
		}
		id, err := strconv.ParseInt(number.String(), 10, 32)
		if err != nil || id < 0 {
			return invalidf(path, "the id of %q is %s, a whole number from 0 on would be right", token, number)
		}
		ids[token] = int32(id)
		return nil
	})
	return ids, err
}

// plainVocab reads what vocabularies nearly always are: an object whose keys
// have no escapes and stand there once, and whose values are whole numbers. It
// reports whether data is such a one; what is not is for anyVocab, which takes
// ten times as long, as much as all else of loading a model.
func plainVocab(data []byte) (ids map[string]int32, plain bool) {
	if !utf8.Valid(data) {
		return nil, false
	}
	// The tokens are parts of one string.
	s := plainScanner{text: string(data)}
	ids = make(map[string]int32, min(bytes.Count(data, []byte(":")), 1<<16)) // more, if they turn out to be tokens
	if !s.next('{') {
		return nil, false
	}
	for first := true; !s.next('}'); first = false {
		if !first && !s.next(',') {
			return nil, false
		}
		token, ok := s.key()
		if !ok || !s.next(':') {
			return nil, false
		}
		id, ok := s.id()
		if !ok {
			return nil, false
		}
		if _, twice := ids[token]; twice {
			return nil, false
		}
		ids[token] = id
	}
	s.blanks()
	return ids, s.at == len(s.text)
}

// plainScanner takes pieces off a text.
type plainScanner struct {
	text string
	at   int
}

func (s *plainScanner) blanks() {
	for s.at < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.at]) >= 0 {
		s.at++
	}
}

// next takes blanks and c, if that is what comes.
func (s *plainScanner) next(c byte) bool {
	s.blanks()
	if s.at == len(s.text) || s.text[s.at] != c {
		return false
	}
	s.at++
	return true
}

// key takes a string without escapes and control characters.
func (s *plainScanner) key() (string, bool) {
	if !s.next('"') {
		return "", false
	}
	for i := s.at; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			key := s.text[s.at:i]
			s.at = i + 1
			return key, true
		case c == '\\' || c < ' ':
			return "", false
		}
	}
	return "", false
}

// id takes a whole number from 0 on, without needless zeros.
func (s *plainScanner) id() (int32, bool) {
	s.blanks()
	from, n := s.at, int64(0)
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' && n <= math.MaxInt32 {
		n = 10*n + int64(s.text[s.at]-'0')
		s.at++
	}
	digits := s.at - from
	return int32(n), digits > 0 && n <= math.MaxInt32 && (digits == 1 || s.text[from] != '0')
}
