package scgpt

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
)

// models keeps the models of a folder that were loaded. Requests name models,
// never paths: whoever reaches the task queue could otherwise have any file
// read. It is safe for concurrent use; two requests for one model load it once.
type models struct {
	dir, fallback, layouts string
	log                    *slog.Logger
	dev                    compute.Device

	mu     sync.Mutex
	loaded map[string]*engine.Engine
	// names are those of the loaded, for who must not wait for one that is
	// being loaded.
	names atomic.Pointer[[]string]
}

func newModels(o Options, log *slog.Logger, dev compute.Device) *models {
	return &models{dir: o.Models, fallback: o.DefaultModel, layouts: o.Layouts, log: log, dev: dev, loaded: map[string]*engine.Engine{}}
}

// get returns the model of a name, loading it if need be; "" is the default.
func (m *models) get(name string) (*engine.Engine, error) {
	name, err := engine.FindModel(m.dir, name, m.fallback)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if eng, ok := m.loaded[name]; ok {
		return eng, nil
	}
	eng, err := engine.LoadMapped(filepath.Join(m.dir, name), m.dev, m.layouts, func(err error) {
		m.log.Warn("the model's weights are not shared with other processes, or were laid out anew", "model", name, "error", err)
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// The folder is there and a file in it is not: the model is
		// damaged, not missing.
		return nil, retry.InvalidData.Errorf("model %s: %w", name, err)
	case errors.Is(err, fs.ErrPermission): // which another attempt would not change
		return nil, retry.InvalidData.Errorf("model %s: %w", name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", name, err)
	}
	m.loaded[name] = eng
	names := slices.Sorted(maps.Keys(m.loaded))
	m.names.Store(&names)
	return eng, nil
}

// close releases all models and the device.
func (m *models) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, eng := range m.loaded {
		errs = append(errs, eng.Close())
	}
	clear(m.loaded)
	return errors.Join(append(errs, m.dev.Close())...)
}
