// Package denytest takes permissions away from a test's code, also where the tests
// run as a user who may do everything.
package denytest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Close takes all rights to a file or folder below t.TempDir away until the test
// ends. The folders above it are opened to everybody.
func Close(t testing.TB, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(path); strings.HasPrefix(dir, filepath.Clean(os.TempDir())+string(filepath.Separator)); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(path, info.Mode()) }) // or the folder could not be removed
}
