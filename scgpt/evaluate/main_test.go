package evaluate_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tolerance is how far a score may be from scikit-learn's.
const tolerance = 1e-9

// readCases returns the cases that make_cases.py wrote.
func readCases[T any](t *testing.T, name string) []T {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	var cases []T
	require.NoError(t, json.Unmarshal(data, &cases))
	require.NotEmpty(t, cases)
	return cases
}

func requireInvalidData(t *testing.T, err error) {
	t.Helper()
	var typed interface{ ErrorType() string }
	require.ErrorAs(t, err, &typed)
	require.Equal(t, "InvalidDataError", typed.ErrorType())
}
