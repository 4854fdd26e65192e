package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
)

// Convert writes the model folder dir as a new folder out with its weights as
// safetensors. See [Checkpoint.Save].
func Convert(dir, out string) error {
	c, err := Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(c.Save(out), c.Close())
}

// Save writes the model as a new folder: model.safetensors with every tensor
// under its published name and with its stored type, args.json and vocab.json
// as they are, and id2type.json and id2batch.json when cell types and batches
// are known. The new folder is built beside out, opened and compared by
// fingerprint, and renamed only then. An out that exists is an error for which
// errors.Is(err, fs.ErrExist) holds.
func (c *Checkpoint) Save(out string) (err error) {
	if _, err := os.Lstat(out); err == nil {
		return &fs.PathError{Op: "create", Path: out, Err: fs.ErrExist}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	out = filepath.Clean(out)
	// The folder inside the temporary one has the permissions that the user's
	// mask gives, as MkdirTemp's own has not.
	temp, err := os.MkdirTemp(filepath.Dir(out), "."+filepath.Base(out)+".*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	dir := filepath.Join(temp, "model")
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	if err := c.write(dir); err != nil {
		return err
	}
	if err := c.compare(dir); err != nil {
		return err
	}
	return os.Rename(dir, out)
}

func (c *Checkpoint) write(dir string) error {
	for name, limit := range map[string]int64{"args.json": maxArgSize, "vocab.json": maxVocabSize} {
		data, err := readSmall(filepath.Join(c.dir, name), limit)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			return err
		}
	}
	for name, list := range map[string][]string{labelsName: c.labels, batchesName: c.batches} {
		if list == nil {
			continue
		}
		byNumber := make(map[string]string, len(list))
		for i, text := range list {
			byNumber[strconv.Itoa(i)] = text
		}
		data, err := json.MarshalIndent(byNumber, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			return err
		}
	}

	var tensors []safetensors.Tensor
	for _, name := range c.Names() {
		t, ok := c.weights.tensors[name].raw()
		if !ok {
			return fmt.Errorf("%s: closed", c.weights.path)
		}
		tensors = append(tensors, t)
	}
	f, err := os.OpenFile(filepath.Join(dir, candidates[0]), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	err = safetensors.Write(f, tensors, map[string]string{"format": "pt", "fingerprint": c.Fingerprint()})
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// compare opens what was written.
func (c *Checkpoint) compare(dir string) error {
	saved, err := Open(dir)
	if err != nil {
		return fmt.Errorf("the converted model does not open: %w", err)
	}
	defer saved.Close()
	if saved.Fingerprint() != c.Fingerprint() {
		return fmt.Errorf("the converted model differs from %s: fingerprint %s, not %s", c.dir, saved.Fingerprint(), c.Fingerprint())
	}
	return nil
}
