package foogpt

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/foogpt/api"
)

// Whatever a model writes becomes names that keep their promises, or an error
// of bounded length.
func FuzzParseAnswer(f *testing.F) {
	for _, text := range []string{
		``, `{}`, `{"names": []}`, `}{`, `{"names": [null, {}]}`, "prose \xff",
		`{"names": [{"cluster": 0, "name": "B cell", "confidence": 1, "evidence": ["cd79a", "X"]}, {"cluster": 1, "name": "UNKNOWN", "confidence": 0.1}]}`,
		"```json\n{\"names\": [{\"cluster\": 1e0, \"name\": \"a\", \"confidence\": 1e-400}]}\n```",
		`{"names": [{"cluster": 9223372036854775808, "name": "a", "confidence": 1e999}]}`,
	} {
		f.Add(text)
	}
	clusters := []api.Cluster{{ID: "a", Genes: []string{"CD79A", "cd79a", "MS4A1"}}, {ID: "b", Genes: []string{"NKG7"}}}
	f.Fuzz(func(t *testing.T, text string) {
		names, err := parseAnswer(text, clusters)
		if err != nil {
			var unusable *unusableError
			require.ErrorAs(t, err, &unusable)
			require.Less(t, len(err.Error()), 2500)
			return
		}
		require.Len(t, names, len(clusters))
		for i, n := range names {
			require.Equal(t, clusters[i].ID, n.ID)
			require.NotEmpty(t, n.Name)
			require.LessOrEqual(t, len(n.Name), api.MaxNameBytes)
			require.GreaterOrEqual(t, n.Confidence, 0.0)
			require.LessOrEqual(t, n.Confidence, 1.0)
			require.NotNil(t, n.Evidence)
			require.Subset(t, clusters[i].Genes, n.Evidence)
		}
	})
}
