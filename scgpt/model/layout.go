package model

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// layoutFormat changes whenever a device class packs weights, or the model folds
// them, in another way.
const layoutFormat = "2"

// Keys of a layout's metadata.
const (
	layoutFormatKey      = "format"
	layoutFingerprintKey = "fingerprint"
	layoutClassKey       = "class"
	layoutSumKey         = "crc32c"
)

// LoadMapped is [Load] by way of a file in the folder dir that holds the model's
// large weights as a device of this class lays them out. The first call writes
// it; it and all later ones, in whatever process, map it and so share its pages,
// and what the page cache holds of them. The file is named for the checkpoint's
// fingerprint and the class. It takes about as much as the checkpoint in float32,
// and what products of pairs of rows take besides ([compute.PairUploader]).
//
// A sum finds damage, after which the file is written anew; it is no protection
// against whoever may write to the folder, which is to be trusted like that of the
// models, and must not be cut short while it is mapped. Where files cannot be
// mapped (on systems that are no Unix), each process reads it into memory of its
// own.
//
// A device that cannot share, and an empty dir, make it Load. What keeps the file
// from being written or read (no space, no permission) does not keep the model
// from being loaded: warn, unless nil, is told.
func LoadMapped(dev compute.Device, ck *checkpoint.Checkpoint, dir string, warn func(error)) (*Model, error) {
	sharer, ok := dev.(compute.Sharer)
	if !ok || dir == "" {
		return Load(dev, ck)
	}
	if warn == nil {
		warn = func(error) {}
	}
	path := layoutPath(dir, ck.Fingerprint(), dev.Class())
	m, err := loadFromLayout(dev, sharer, ck, path)
	if err == nil || !isLayoutProblem(err) {
		return m, err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		warn(err)
		if !isDamage(err) {
			// The file may be good: it is not this process's to replace.
			return Load(dev, ck)
		}
	}
	recording := &layout{dev: sharer, path: path, replace: isDamage(err)}
	m, err = load(dev, ck, recording)
	if err != nil {
		return nil, err
	}
	if err := recording.write(ck.Fingerprint(), dev.Class()); err != nil {
		warn(err)
		return m, nil
	}
	mapped, err := loadFromLayout(dev, sharer, ck, path)
	if err != nil {
		warn(err)
		return m, nil
	}
	return mapped, m.Close()
}

func layoutPath(dir, fingerprint, class string) string {
	_, digest, ok := strings.Cut(fingerprint, ":")
	if !ok {
		digest = fingerprint
	}
	name := strings.ReplaceAll(class, "/", "-") + "-v" + layoutFormat + ".safetensors"
	return filepath.Join(dir, digest[:min(16, len(digest))]+"-"+name)
}

// layoutError is a file of laid-out weights that cannot be used or written.
type layoutError struct {
	path string
	err  error
}

func (e *layoutError) Error() string {
	return "model: weights laid out in " + e.path + ": " + e.err.Error()
}
func (e *layoutError) Unwrap() error { return e.err }

func isLayoutProblem(err error) bool {
	var problem *layoutError
	return errors.As(err, &problem)
}

// damageError is a file that can be read, but holds something else.
type damageError struct{ reason string }

func (e *damageError) Error() string { return e.reason }

func damagef(format string, args ...any) error { return &damageError{fmt.Sprintf(format, args...)} }

func isDamage(err error) bool {
	var damage *damageError
	var invalid *safetensors.Error
	var shape *compute.ShapeError
	return errors.As(err, &damage) || errors.As(err, &invalid) || errors.As(err, &shape)
}

// layout is the file of laid-out weights while a model is loaded: the source of
// what is in it, or, while it is to be written, the list of what will be. A nil
// layout has nothing and keeps nothing.
type layout struct {
	dev  compute.Sharer
	path string
	file *safetensors.File // nil while recording
	// replace is set where the file that is there is damaged.
	replace bool

	mu   sync.Mutex
	kept []safetensors.Tensor
}

// Free is for the list of what a model frees.
func (f *layout) Free() { _ = f.file.Close() }

func loadFromLayout(dev compute.Device, sharer compute.Sharer, ck *checkpoint.Checkpoint, path string) (*Model, error) {
	file, err := openLayout(path, ck.Fingerprint(), dev.Class())
	if err != nil {
		return nil, &layoutError{path, err}
	}
	laid := &layout{dev: sharer, path: path, file: file}
	m, err := load(dev, ck, laid)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	// It is freed last, after the tensors that lie in it.
	m.weights.handles = append([]interface{ Free() }{laid}, m.weights.handles...)
	return m, nil
}

func openLayout(path, fingerprint, class string) (*safetensors.File, error) {
	file, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	if err := checkLayout(file, fingerprint, class); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func checkLayout(file *safetensors.File, fingerprint, class string) error {
	metadata := file.Metadata()
	for key, want := range map[string]string{layoutFormatKey: layoutFormat, layoutFingerprintKey: fingerprint, layoutClassKey: class} {
		if metadata[key] != want {
			return damagef("%s is %q, want %q", key, metadata[key], want)
		}
	}
	var tensors []safetensors.Tensor
	for _, name := range file.Names() {
		t, _ := file.Tensor(name)
		tensors = append(tensors, t)
	}
	if sum := layoutSum(tensors); metadata[layoutSumKey] != sum {
		return damagef("the sum of its content is %s, but it says %s: it is damaged", sum, metadata[layoutSumKey])
	}
	return nil
}

// layoutSum returns the CRC-32C of the tensors' names and data, by name.
func layoutSum(tensors []safetensors.Tensor) string {
	table := crc32.MakeTable(crc32.Castagnoli)
	slices.SortFunc(tensors, func(a, b safetensors.Tensor) int { return cmp.Compare(a.Name, b.Name) })
	sum := uint32(0)
	for _, t := range tensors {
		sum = crc32.Update(sum, table, []byte(t.Name))
		sum = crc32.Update(sum, table, t.Data)
	}
	return strconv.FormatUint(uint64(sum), 16)
}

// content returns what the file has under a name.
func (f *layout) content(name string) ([]float32, error) {
	t, ok := f.file.Tensor(name)
	if !ok {
		return nil, damagef("it lacks %s", name)
	}
	return t.Float32()
}

// mapped reports whether there is a file to take weights from.
func (f *layout) mapped() bool { return f != nil && f.file != nil }

// tensor returns a mapped tensor, or what lay gives.
func (f *layout) tensor(name string, rows, cols int, lay func() (compute.Tensor, error)) (compute.Tensor, error) {
	if !f.mapped() {
		t, err := lay()
		if err != nil || f == nil {
			return t, err
		}
		content, err := f.dev.TensorContent(t)
		if err != nil {
			t.Free()
			return nil, err
		}
		f.keep(name, content)
		return t, nil
	}
	content, err := f.content(name)
	var t compute.Tensor
	if err == nil {
		t, err = f.dev.MapTensor(rows, cols, content)
	}
	if err != nil {
		return nil, &layoutError{f.path, err}
	}
	return t, nil
}

// matrix returns a mapped matrix, or what lay gives.
func (f *layout) matrix(name string, out, in int, lay func() (compute.Matrix, error)) (compute.Matrix, error) {
	if !f.mapped() {
		m, err := lay()
		if err != nil || f == nil {
			return m, err
		}
		content, err := f.dev.MatrixContent(m)
		if err != nil {
			m.Free()
			return nil, err
		}
		f.keep(name, content)
		return m, nil
	}
	content, err := f.content(name)
	var m compute.Matrix
	if err == nil {
		m, err = f.dev.MapMatrix(out, in, content)
	}
	if err != nil {
		return nil, &layoutError{f.path, err}
	}
	return m, nil
}

func (f *layout) keep(name string, content []float32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = append(f.kept, safetensors.Float32Tensor(name, []int{len(content)}, content))
}

// abandoned is the age from which a file under a temporary name has no writer any
// more.
const abandoned = time.Hour

// write makes the file, unless another process was faster.
func (f *layout) write(fingerprint, class string) (err error) {
	defer func() {
		if err != nil {
			err = &layoutError{f.path, err}
		}
	}()
	dir, base := filepath.Split(f.path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	prefix := "." + base + "."
	sweepTemporary(dir, prefix)
	temp, err := os.CreateTemp(dir, prefix+"*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	err = safetensors.Write(temp, f.kept, map[string]string{
		layoutFormatKey: layoutFormat, layoutFingerprintKey: fingerprint, layoutClassKey: class, layoutSumKey: layoutSum(f.kept),
	})
	// Whoever may read the folder may read the file.
	if err := errors.Join(err, temp.Chmod(0o644), temp.Close()); err != nil {
		return err
	}
	if f.replace {
		return os.Rename(temp.Name(), f.path)
	}
	if f.there(fingerprint, class) {
		return nil
	}
	if err := os.Rename(temp.Name(), f.path); err != nil && !f.there(fingerprint, class) {
		return err
	}
	return nil
}

// there reports whether another process was faster: on Windows, its file cannot even
// be replaced while it is read.
func (f *layout) there(fingerprint, class string) bool {
	file, err := openLayout(f.path, fingerprint, class)
	return err == nil && file.Close() == nil
}

// sweepTemporary removes what writers that were killed have left. What it cannot
// remove stays.
func sweepTemporary(dir, prefix string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
