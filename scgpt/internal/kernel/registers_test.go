package kernel

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// The upper sixteen registers hold short vectors only with AVX-512VL, for
// which Sets does not look.
func TestShortVectorsInLowerRegisters(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"avx2_amd64.s", "avx512_amd64.s", "avx512bf16_amd64.s"} {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Empty(t, regexp.MustCompile(`\b[XY](1[6-9]|2\d|3[01])\b`).FindAllString(string(source), -1), file)
	}
}
