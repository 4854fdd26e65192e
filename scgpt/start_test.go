package scgpt_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt"
	"github.com/seed-ab6af24b/troupe/scgpt/internal/denytest"
)

// modelsIn copies the sample model to the names in a new folder.
func modelsIn(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		require.NoError(t, os.CopyFS(filepath.Join(dir, name), os.DirFS(testdata+"/models/tiny_scgpt")))
	}
	return dir
}

// Without a model there is nothing to be ready for. What is wrong with the folder
// may pass, so the error has no class: the registry starts the agent again.
func TestStartNeedsModels(t *testing.T) {
	missing, empty := filepath.Join(t.TempDir(), "none"), t.TempDir()
	file := filepath.Join(modelsIn(t, "a"), "a", "args.json")
	closed, closedModel, closedFile, several := modelsIn(t, "a"), modelsIn(t, "a"), modelsIn(t, "a"), modelsIn(t, "a", "b")
	half := modelsIn(t, "a")
	require.NoError(t, os.Remove(filepath.Join(half, "a", "best_model.pt")))
	root := t.TempDir()
	denytest.Close(t, closed)
	denytest.Close(t, filepath.Join(closedModel, "a"))
	denytest.Close(t, filepath.Join(closedFile, "a", "best_model.pt"))
	cases := []struct {
		name, models, model string
		want                string // "" for none
		class               retry.Class
	}{
		{"missing", missing, "", "the model folder " + missing + " cannot be read: open " + missing + ": ", ""},
		{"missing, with a default", missing, "a", "the model folder " + missing + " cannot be read", ""},
		{"a file", file, "", "the model folder " + file + " cannot be read", ""},
		{"empty", empty, "", "there is no model: " + empty + " holds none: a model is a folder with args.json, vocab.json and best_model.pt", ""},
		{"empty, with a default", empty, "a", `there is no model "a": ` + empty + " holds none", ""},
		{"closed", closed, "", "the folder " + closed + " cannot be read: permission denied: want one that the user of this program may read and enter", ""},
		{"a closed model", closedModel, "a", "the folder " + filepath.Join(closedModel, "a") + " cannot be read: permission denied", ""},
		{"a closed file", closedFile, "", filepath.Join(closedFile, "a", "best_model.pt") + ": permission denied", ""},
		{"another model than the default", several, "c", `there is no model "c"; ` + several + " holds a, b", ""},
		{"half copied", half, "", "best_model.pt", ""},
		{"several, and no default", several, "", "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := scgpt.New(scgpt.Options{Models: c.models, DefaultModel: c.model, Roots: []string{root}, NoMemo: true})
			var err error
			start := func() { err = a.Start(t.Context()) }
			switch c.models {
			case closed, closedModel, closedFile:
				denytest.Do(t, start)
			default:
				start()
			}
			require.NoError(t, a.Stop(context.WithoutCancel(t.Context())))
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			requireClass(t, c.class, err)
		})
	}
}

// A folder that was filled in the meantime does.
func TestStartAgain(t *testing.T) {
	models := filepath.Join(t.TempDir(), "models")
	a := scgpt.New(scgpt.Options{Models: models, Roots: []string{t.TempDir()}, NoMemo: true})
	require.ErrorContains(t, a.Start(t.Context()), "cannot be read")
	require.NoError(t, a.Stop(t.Context()))
	require.NoError(t, os.CopyFS(models, os.DirFS(testdata+"/models")))
	require.NoError(t, a.Start(t.Context()))
	require.NoError(t, a.Stop(t.Context()))
}
