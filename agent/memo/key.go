package memo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Key says what a result depends on. Two keys are equal if their JSON is.
type Key struct {
	// Agent and Activity name what computes the result, Version its code: it
	// changes when the same request may have another result.
	Agent    string `json:"agent"`
	Activity string `json:"activity"`
	Version  string `json:"version"`
	// Model is the fingerprint of the model, Device the class of the device.
	Model  string `json:"model,omitempty"`
	Device string `json:"device,omitempty"`
	// Input is the hash of the input's content.
	Input string `json:"input,omitempty"`
	// Params are the other parameters: a value whose JSON does not change
	// from one process to the next, such as a struct of plain values.
	Params any `json:"params,omitempty"`
}

// encode returns the key's JSON and the name that results are stored under.
func (k Key) encode() (text []byte, id string, err error) {
	text, err = json.Marshal(k)
	if err != nil {
		return nil, "", fmt.Errorf("memo key of %s: %w", k.Activity, err)
	}
	sum := sha256.Sum256(text)
	return text, hex.EncodeToString(sum[:]), nil
}
