package quote_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/internal/quote"
)

func TestList(t *testing.T) {
	for name, c := range map[string]struct {
		list []string
		want string
	}{
		"none":         {nil, "none"},
		"one":          {[]string{"a"}, `"a"`},
		"several":      {[]string{"a", "b b", ""}, `"a", "b b", ""`},
		"needs quotes": {[]string{"a\n\"b\""}, `"a\n\"b\""`},
		"thirty":       {slices.Repeat([]string{"a"}, 30), strings.Repeat(`"a", `, 29) + `"a"`},
		"more":         {slices.Repeat([]string{"a"}, 32), strings.Repeat(`"a", `, 29) + `"a" and 2 more`},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, quote.List(c.list)) })
	}
}
