package memo

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// outputs are files that are written under temporary names beside their final
// ones.
type outputs struct {
	final, temporary []string
}

func newOutputs(files []string) *outputs {
	o := &outputs{final: files}
	for _, path := range files {
		base := filepath.Base(path)
		// File systems take names of 255 bytes.
		base = base[max(0, len(base)-200):]
		o.temporary = append(o.temporary, filepath.Join(filepath.Dir(path), TemporaryPrefix+rand.Text()[:8]+"-"+base))
	}
	return o
}

// TemporaryPrefix begins the names of files that are being written. What a
// process that was killed leaves under such a name may be removed.
const TemporaryPrefix = ".troupe-"

// name gives the files that were written their final names, one after another, and
// stops at the first that cannot have its own. Of a file that was not written, what an
// earlier request left under its name is removed: it does not belong to this result.
func (o *outputs) name() error {
	for i, path := range o.temporary {
		err := os.Rename(path, o.final[i])
		if errors.Is(err, fs.ErrNotExist) {
			err = os.Remove(o.final[i])
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// discard removes what has no final name.
func (o *outputs) discard() {
	for _, path := range o.temporary {
		_ = os.Remove(path)
	}
}
