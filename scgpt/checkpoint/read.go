package checkpoint

import (
	"fmt"
	"io"
	"os"
)

// readSmall reads a regular file of at most limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	// Opening a pipe would wait for its writer, so the kind is asked first.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, invalidf(path, "not a regular file but %s", info.Mode().Type())
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("failed to read %s: %w", path, err)
	}
	if int64(len(data)) > limit {
		return nil, invalidf(path, "larger than %d bytes", limit)
	}
	return data, nil
}
