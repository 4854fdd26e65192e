package codec

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode"
)

// KeyBytes is the length of a key: AES-256.
const KeyBytes = 32

// Key is a key and its name. Printing one does not print the key.
type Key struct {
	// ID names the key beside each payload: 1 to 64 printable characters
	// without spaces.
	ID    string
	Bytes []byte
}

// String returns the id.
func (k Key) String() string { return k.ID }

// GoString returns the id.
func (k Key) GoString() string { return "codec.Key{" + k.ID + "}" }

// NewKey returns a random key.
func NewKey(id string) (Key, error) {
	k := Key{ID: id, Bytes: make([]byte, KeyBytes)}
	_, _ = rand.Read(k.Bytes) // never fails (crypto/rand)
	return k, k.check()
}

const maxIDBytes = 64

func (k Key) check() error {
	switch {
	case k.ID == "" || len(k.ID) > maxIDBytes || strings.ContainsFunc(k.ID, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		return fmt.Errorf("key %q: want an id of 1 to %d printable characters without spaces", k.ID, maxIDBytes)
	case len(k.Bytes) != KeyBytes:
		return fmt.Errorf("key %q has %d bytes: want %d", k.ID, len(k.Bytes), KeyBytes)
	}
	return nil
}

// Keys are keys by id, one of them for new payloads. They are safe for
// concurrent use.
type Keys struct {
	current string
	ciphers map[string]cipher.AEAD
}

// NewKeys returns the keys; the first one is for new payloads.
func NewKeys(keys ...Key) (*Keys, error) {
	if len(keys) == 0 {
		return nil, errors.New("no keys: want at least one")
	}
	all := &Keys{current: keys[0].ID, ciphers: map[string]cipher.AEAD{}}
	for _, k := range keys {
		if err := k.check(); err != nil {
			return nil, err
		}
		if _, twice := all.ciphers[k.ID]; twice {
			return nil, fmt.Errorf("key %q is there twice", k.ID)
		}
		block, err := aes.NewCipher(k.Bytes)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", k.ID, err)
		}
		if all.ciphers[k.ID], err = cipher.NewGCM(block); err != nil {
			return nil, fmt.Errorf("key %q: %w", k.ID, err)
		}
	}
	return all, nil
}

// maxKeyFile bounds what is read.
const maxKeyFile = 64 << 10

// ReadKeys reads a file of keys, one a line: the id, a space, and the key in
// base64. Empty lines and those that begin with # are skipped. The first key is
// for new payloads. Errors tell lines, never what stands in them.
func ReadKeys(path string) (*Keys, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

func parseKeys(text []byte) (*Keys, error) {
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("%d bytes, more than the %d of any file of keys", len(text), maxKeyFile)
	}
	var keys []Key
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, encoded, ok := strings.Cut(line, " ")
		if !ok {
			return nil, fmt.Errorf("line %d: want an id, a space and a key in base64", n)
		}
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		if err != nil || len(key) != KeyBytes {
			return nil, fmt.Errorf("line %d: want %d bytes in base64 behind the id", n, KeyBytes)
		}
		keys = append(keys, Key{ID: id, Bytes: key})
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return NewKeys(keys...)
}

// Line returns the key as a line of a file of keys.
func (k Key) Line() string { return k.ID + " " + base64.StdEncoding.EncodeToString(k.Bytes) }
