// Package quote writes lists of names in error messages.
package quote

import (
	"fmt"
	"strings"
)

// most is the number of names that List shows: a file may have thousands of
// columns.
const most = 30

// List returns the names in quotes, with commas between them, and says how many
// more there are after the first 30; "none" where there are none.
func List(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	var b strings.Builder
	for i, name := range list {
		switch {
		case i == most:
			fmt.Fprintf(&b, " and %d more", len(list)-most)
			return b.String()
		case i > 0:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", name)
	}
	return b.String()
}
