package model

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

// mappedFrom returns the file that a model's weights lie in, nil for none.
func mappedFrom(m *Model) *layout {
	for _, h := range m.weights.handles {
		if f, ok := h.(*layout); ok {
			return f
		}
	}
	return nil
}

// mapping loads a checkpoint by way of a folder.
type mapping struct {
	t     *testing.T
	ck    *checkpoint.Checkpoint
	dir   string
	batch tokens.Packed
	want  *Output
}

func newMapping(t *testing.T) *mapping {
	s := variants["wide"]
	s.Classes = 3
	m := &mapping{t: t, ck: s.open(t), dir: filepath.Join(t.TempDir(), "layouts"), batch: randomCells(4, s.Vocab, 40, 3, 17)}
	plain := loadModel(t, openDevice(t, "cpu", compute.Options{}), m.ck)
	var err error
	m.want, err = plain.Forward(t.Context(), m.batch, everything(plain))
	require.NoError(t, err)
	return m
}

// load requires the bytes of a model that is not mapped, and returns the warnings.
func (m *mapping) load(dir string) (*Model, []error) {
	m.t.Helper()
	var warnings []error
	loaded, err := LoadMapped(openDevice(m.t, "cpu", compute.Options{}), m.ck, dir, func(err error) { warnings = append(warnings, err) })
	require.NoError(m.t, err)
	m.t.Cleanup(func() { require.NoError(m.t, loaded.Close()) })
	got, err := loaded.Forward(m.t.Context(), m.batch, everything(loaded))
	require.NoError(m.t, err)
	require.Equal(m.t, m.want, got)
	return loaded, warnings
}

func (m *mapping) file() string {
	m.t.Helper()
	files, err := filepath.Glob(filepath.Join(m.dir, "*"))
	require.NoError(m.t, err)
	require.Len(m.t, files, 1, "one file and nothing under a temporary name")
	return files[0]
}

func TestLoadMapped(t *testing.T) {
	t.Parallel()
	m := newMapping(t)
	first, warnings := m.load(m.dir)
	require.Empty(t, warnings)
	require.NotNil(t, mappedFrom(first), "whoever writes the file maps it too")
	before, err := os.Stat(m.file())
	require.NoError(t, err)
	if runtime.GOOS != "windows" { // which has no such permissions
		require.EqualValues(t, 0o644, before.Mode().Perm(), "who may read the folder may read the file")
	}
	require.Regexp(t, `^[0-9a-f]{16}-[a-z0-9-]+\.safetensors$`, filepath.Base(m.file()), "a name that every system takes")

	second, warnings := m.load(m.dir)
	require.Empty(t, warnings)
	require.NotNil(t, mappedFrom(second))
	after, err := os.Stat(m.file())
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "laid out once")

	plain, warnings := m.load("")
	require.Empty(t, warnings)
	require.Nil(t, mappedFrom(plain))

	judge, err := LoadMapped(openDevice(t, "reference", compute.Options{}), m.ck, t.TempDir(), nil)
	require.NoError(t, err)
	require.Nil(t, mappedFrom(judge), "a device that cannot share")
	require.NoError(t, judge.Close())

	generic := openDevice(t, "cpu:generic", compute.Options{})
	other, err := LoadMapped(generic, m.ck, m.dir, func(err error) { require.NoError(t, err) })
	require.NoError(t, err)
	require.NoError(t, other.Close())
	files, err := filepath.Glob(filepath.Join(m.dir, "*"))
	require.NoError(t, err)
	want := 2
	if generic.Class() == first.Class() { // without assembly
		want = 1
	}
	require.Len(t, files, want, "each class has a file of its own")
}

func TestLoadMappedTogether(t *testing.T) {
	t.Parallel()
	m := newMapping(t)
	var devices []compute.Device
	for range 6 {
		devices = append(devices, openDevice(t, "cpu", compute.Options{Threads: 1}))
	}
	var all sync.WaitGroup
	for _, dev := range devices {
		all.Go(func() {
			loaded, err := LoadMapped(dev, m.ck, m.dir, func(err error) { t.Error(err) })
			if err != nil {
				t.Error(err)
				return
			}
			got, err := loaded.Forward(t.Context(), m.batch, everything(loaded))
			if err = errors.Join(err, loaded.Close()); err != nil || !reflect.DeepEqual(m.want, got) {
				t.Errorf("other results, or %v", err)
			}
		})
	}
	all.Wait()
	m.load(m.dir)
	m.file()
}

// The file is unmapped only when nobody reads it any more: else the process ends.
func TestCloseMappedAtWork(t *testing.T) {
	t.Parallel()
	m := newMapping(t)
	dev := openDevice(t, "cpu", compute.Options{})
	for range 20 {
		loaded, err := LoadMapped(dev, m.ck, m.dir, func(err error) { t.Error(err) })
		require.NoError(t, err)
		started := make(chan struct{}, 3)
		var all sync.WaitGroup
		for range cap(started) {
			all.Go(func() {
				for n := 0; ; n++ {
					_, err := loaded.Forward(t.Context(), m.batch, Options{})
					if n == 0 {
						started <- struct{}{}
					}
					if err != nil {
						if !errors.Is(err, errClosed) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		<-started
		require.NoError(t, loaded.Close())
		all.Wait()
	}
}

// A change of how weights are packed or folded must change layoutFormat: files of
// the earlier way would be taken for right.
func TestLayoutFormat(t *testing.T) {
	t.Parallel()
	m := newMapping(t)
	dev := openDevice(t, "cpu:generic", compute.Options{})
	loaded, err := LoadMapped(dev, m.ck, m.dir, func(err error) { require.NoError(t, err) })
	require.NoError(t, err)
	sum := mappedFrom(loaded).file.Metadata()[layoutSumKey]
	require.NoError(t, loaded.Close())
	require.Equal(t, "format 2, sum b598ea25", "format "+layoutFormat+", sum "+sum, "the two change together")
}

// What writers that were killed have left goes after a while.
func TestLoadMappedSweeps(t *testing.T) {
	t.Parallel()
	m := newMapping(t)
	m.load(m.dir)
	path := m.file()
	require.NoError(t, os.Remove(path))
	left := filepath.Join(m.dir, "."+filepath.Base(path)+".123")
	fresh := left + "4"
	for _, name := range []string{left, fresh} {
		require.NoError(t, os.WriteFile(name, []byte("half"), 0o644))
	}
	old := time.Now().Add(-2 * abandoned)
	require.NoError(t, os.Chtimes(left, old, old))
	_, warnings := m.load(m.dir)
	require.Empty(t, warnings)
	require.NoFileExists(t, left)
	require.FileExists(t, fresh, "its writer may be at work")
}

// A file that does not hold what it should is written anew.
func TestLoadMappedDamaged(t *testing.T) {
	t.Parallel()
	m := newMapping(t)
	m.load(m.dir)
	path := m.file()
	intact, err := os.ReadFile(path)
	require.NoError(t, err)
	file, err := safetensors.Parse(intact)
	require.NoError(t, err)
	metadata := file.Metadata()
	var all []safetensors.Tensor
	for _, name := range file.Names() {
		x, _ := file.Tensor(name)
		all = append(all, x)
	}
	require.Greater(t, len(all), 4)
	// rewrite makes a file with a right sum.
	rewrite := func(tensors []safetensors.Tensor, key, value string) func(string) error {
		return func(path string) error {
			f, err := os.Create(path)
			if err != nil {
				return err
			}
			changed := maps.Clone(metadata)
			changed[layoutSumKey] = layoutSum(tensors)
			changed[key] = value
			return errors.Join(safetensors.Write(f, tensors, changed), f.Close())
		}
	}
	shorter := append([]safetensors.Tensor(nil), all...)
	shorter[0].Data, shorter[0].Shape = shorter[0].Data[4:], []int{shorter[0].Shape[0] - 1}
	for name, damage := range map[string]func(path string) error{
		"a byte": func(path string) error {
			data := append([]byte(nil), intact...)
			data[len(data)-5] ^= 1
			return os.WriteFile(path, data, 0o644)
		},
		"cut":               func(path string) error { return os.WriteFile(path, intact[:len(intact)/2], 0o644) },
		"empty":             func(path string) error { return os.WriteFile(path, nil, 0o644) },
		"garbage":           func(path string) error { return os.WriteFile(path, []byte("<html>"), 0o644) },
		"other class":       rewrite(all, layoutClassKey, "cpu/other/fp32"),
		"other fingerprint": rewrite(all, layoutFingerprintKey, "00"),
		"other format":      rewrite(all, layoutFormatKey, "0"),
		"other sum":         rewrite(all, layoutSumKey, "0"),
		"no metadata": func(path string) error {
			f, err := os.Create(path)
			if err != nil {
				return err
			}
			return errors.Join(safetensors.Write(f, all, nil), f.Close())
		},
		"a tensor less":    rewrite(all[1:], "by", "test"),
		"a tensor shorter": rewrite(shorter, "by", "test"),
	} {
		require.NoError(t, os.Remove(path), name)
		require.NoError(t, damage(path), name)
		loaded, warnings := m.load(m.dir)
		require.NotEmpty(t, warnings, name)
		require.ErrorContains(t, warnings[0], path, name)
		require.NotNil(t, mappedFrom(loaded), name)
		require.Equal(t, path, m.file(), name)
		_, warnings = m.load(m.dir)
		require.Empty(t, warnings, name)
	}
}

// A folder that cannot be used costs sharing, not the model.
func TestLoadMappedNowhere(t *testing.T) {
	t.Parallel()
	m := newMapping(t)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	loaded, warnings := m.load(filepath.Join(file, "below"))
	require.Nil(t, mappedFrom(loaded))
	require.NotEmpty(t, warnings)
	require.ErrorContains(t, warnings[0], file)

	// What cannot be opened may be good.
	m.load(m.dir)
	path := m.file()
	require.NoError(t, os.Rename(path, path+".good"))
	require.NoError(t, os.Mkdir(path, 0o755))
	loaded, warnings = m.load(m.dir)
	require.Nil(t, mappedFrom(loaded))
	require.Len(t, warnings, 1)
	require.DirExists(t, path)
}

func TestClosed(t *testing.T) {
	t.Parallel()
	m := newMapping(t)
	loaded, err := LoadMapped(openDevice(t, "cpu", compute.Options{}), m.ck, m.dir, nil)
	require.NoError(t, err)
	require.NoError(t, loaded.Close())
	require.NoError(t, loaded.Close())
	_, err = loaded.Forward(t.Context(), m.batch, Options{})
	require.ErrorIs(t, err, errClosed)
	_, err = loaded.GeneEmbeddings([]int32{1})
	require.ErrorIs(t, err, errClosed)
	require.ErrorIs(t, loaded.AttentionScores(t.Context(), m.batch, Options{}, nil), errClosed)
}

// Close does not wait for the end of a long pass, nor take its weights away.
func TestCloseEndsForward(t *testing.T) {
	t.Parallel()
	dev := newProbe(t, "cpu")
	m, err := Load(dev, variants["zero decoders"].open(t))
	require.NoError(t, err)
	closed := make(chan error, 1)
	dev.at = dev.operations.Load() + 5
	dev.hook = func() error {
		go func() { closed <- m.Close() }()
		<-m.life.Done()
		return nil
	}
	_, err = m.Forward(t.Context(), randomCells(1, m.VocabSize(), 40, 3), Options{})
	require.ErrorIs(t, err, errClosed)
	require.NoError(t, <-closed)
	require.Zero(t, dev.alive.Load(), "tensors left on the device")
}
