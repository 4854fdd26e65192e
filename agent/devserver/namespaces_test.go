package devserver

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
)

func TestAliasSearchAttributes(t *testing.T) {
	t.Parallel()
	aliases := map[string]string{"Keyword02": "Tissue"}
	require.NoError(t, aliasSearchAttributes(aliases, attributes))
	require.Equal(t, map[string]string{"Keyword01": "Donor", "Keyword02": "Tissue", "Int01": "Cells"}, aliases)
	require.NoError(t, aliasSearchAttributes(aliases, attributes))
	require.Len(t, aliases, 3)

	require.EqualError(t, aliasSearchAttributes(aliases, kinds("Cells", enumspb.INDEXED_VALUE_TYPE_DOUBLE)),
		`"Cells" exists with the type Int, so it can't be a Double`)

	many := map[string]enumspb.IndexedValueType{}
	for i := range 4 {
		many[fmt.Sprintf("List%d", i)] = enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST
	}
	require.EqualError(t, aliasSearchAttributes(aliases, many), `"List3" of the type KeywordList has no column left: there are 3 of that type`)
}
