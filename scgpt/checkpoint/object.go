package checkpoint

import (
	"bytes"
	"encoding/json"
)

// members visits the members of a flat JSON object in textual order. A key that
// is there twice is an error, where encoding/json would silently keep the last.
// Values are string, json.Number, bool, nil, or the json.Delim of a nested one,
// which visit must refuse.
func members(path string, data []byte, visit func(key string, value json.Token) error) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	first, err := dec.Token()
	if err != nil {
		return invalidf(path, "%v", err)
	}
	if first != json.Delim('{') {
		return invalidf(path, "a JSON object was expected, found %v", first)
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return invalidf(path, "%v", err)
		}
		key := t.(string) // the decoder hands out nothing else as a key
		if seen[key] {
			return invalidf(path, "%q stands there twice", key)
		}
		seen[key] = true
		value, err := dec.Token()
		if err != nil {
			return invalidf(path, "%v", err)
		}
		if err := visit(key, value); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return invalidf(path, "%v", err)
	}
	if dec.More() {
		return invalidf(path, "something follows the object")
	}
	return nil
}
