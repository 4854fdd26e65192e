package anndata

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// writeWhole calls write with a file beside dst and gives it that name when
// write succeeded and everything is on the disk. Otherwise nothing is left.
func writeWhole(ctx context.Context, dst string, write func(*os.File) error) (err error) {
	if info, err := os.Stat(dst); err == nil && !info.Mode().IsRegular() {
		// The rename would put the file in the place of a device or FIFO.
		return &DataError{File: dst, Reason: "not a regular file; a new name, or a file to replace, would be right"}
	}
	tmp := filepath.Join(filepath.Dir(dst), ".troupe-"+rand.Text()[:8]+".tmp")
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return fmt.Errorf("%s: %w", dst, err)
	}
	named := false
	defer func() {
		if err != nil && !named {
			// Closing twice is an error without meaning.
			_ = f.Close()
			err = errors.Join(err, os.Remove(tmp))
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("%s: %w", dst, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("%s: %w", dst, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.Rename(tmp, dst); err != nil {
		return fmt.Errorf("%s: %w", dst, err)
	}
	named = true
	if err := syncDir(filepath.Dir(dst)); err != nil {
		return fmt.Errorf("%s: %w", dst, err)
	}
	return nil
}
