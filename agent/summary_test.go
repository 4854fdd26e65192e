package agent

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"
)

func TestSummariesAreCut(t *testing.T) {
	for _, c := range []struct {
		name, text string
		whole      bool
	}{
		{"short", "plan cells.h5ad", true},
		{"the longest", strings.Repeat("x", maxSummaryBytes), true},
		{"a long path", "plan " + strings.Repeat("/folder", 700), false},
		{"characters of several bytes", strings.Repeat("μ", 4000), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var a workflow.ActivityOptions
			Summary(c.text)(&a)
			var w client.StartWorkflowOptions
			StaticSummary(c.text)(&w)
			require.Equal(t, a.Summary, w.StaticSummary)
			require.LessOrEqual(t, len(a.Summary), maxSummaryBytes)
			require.True(t, utf8.ValidString(a.Summary))
			if c.whole {
				require.Equal(t, c.text, a.Summary)
			} else {
				require.True(t, strings.HasSuffix(a.Summary, "…"))
			}
		})
	}
}
