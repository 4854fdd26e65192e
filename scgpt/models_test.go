package scgpt

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/internal/denytest"
)

// A request for a model that may not be read fails at once, and is not told that
// there is none.
func TestModelDenied(t *testing.T) {
	for name, c := range map[string]struct{ close, want string }{
		"the model": {"a", "the folder %s cannot be read: permission denied"},
		"a file":    {"a/vocab.json", "model a: open %s: permission denied"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, model := range []string{"a", "b"} {
				require.NoError(t, os.CopyFS(filepath.Join(dir, model), os.DirFS("../testdata/models/tiny_scgpt")))
			}
			closed := filepath.Join(dir, filepath.FromSlash(c.close))
			denytest.Close(t, closed)
			dev, err := compute.Open("cpu", compute.Options{})
			require.NoError(t, err)
			m := newModels(Options{Models: dir}, slog.New(slog.DiscardHandler), dev)
			denytest.Do(t, func() { _, err = m.get("a") })
			require.ErrorContains(t, err, fmt.Sprintf(c.want, closed))
			class, _ := retry.ClassOf(err)
			require.Equal(t, retry.InvalidData, class)
			require.NoError(t, m.close())
		})
	}
}
