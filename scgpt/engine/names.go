package engine

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Names is a list of names that can be compared with ==, as [Options] must be.
// In JSON it is a list of strings. "" is the empty list.
type Names string

// NameList returns the names as one value. A name is not empty and has no line
// break.
func NameList(names []string) Names { return Names(strings.Join(names, "\n")) }

// List returns the names, nil for none.
func (n Names) List() []string {
	if n == "" {
		return nil
	}
	return strings.Split(string(n), "\n")
}

// Len returns the number of names.
func (n Names) Len() int { return len(n.List()) }

// MarshalJSON writes a list of strings.
func (n Names) MarshalJSON() ([]byte, error) { return json.Marshal(n.List()) }

// UnmarshalJSON reads a list of strings, or null.
func (n *Names) UnmarshalJSON(data []byte) error {
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	for i, name := range list {
		if name == "" || strings.Contains(name, "\n") {
			return fmt.Errorf("name %d of the list is %q: want a name on one line", i, name)
		}
	}
	*n = NameList(list)
	return nil
}
