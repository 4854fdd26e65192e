package anndata

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Groups may contain themselves, or one another many times.
func TestLoops(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ value, copy string }{
		"self_uns":    {"uns/again", "contains itself"},
		"self_column": {"", "contains itself"},
		"doubling":    {"uns/top", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := Open(filepath.Join("testdata", name+".h5ad"))
			require.NoError(t, err)
			defer func() { require.NoError(t, f.Close()) }()
			if tc.value != "" {
				_, err := f.UnsValue(t.Context(), filepath.Base(tc.value))
				require.ErrorContains(t, err, f.Path()+": "+tc.value)
				require.ErrorContains(t, err, "more than")
			} else {
				_, err := f.Obs().Column("c")
				require.ErrorContains(t, err, "not a column")
			}
			dst := filepath.Join(t.TempDir(), "copy.h5ad")
			err = Copy(t.Context(), f, dst, Additions{})
			if tc.copy != "" {
				require.ErrorContains(t, err, tc.copy)
				return
			}
			require.NoError(t, err)
			g, err := Open(dst)
			require.NoError(t, err)
			require.Equal(t, []string{"top"}, g.Uns())
			require.NoError(t, g.Close())
		})
	}
}
