package compute

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Driver opens the devices of one kind.
type Driver interface {
	// Open returns a device. config is what followed the colon in the name
	// given to [Open], "" if nothing did.
	Open(config string, opts Options) (Device, error)
}

// Ranker is implemented by a driver that "auto" may choose.
type Ranker interface {
	// Rank orders the drivers that "auto" tries, highest first. A CPU ranks
	// 0, an accelerator above it.
	Rank() int
}

var (
	driversMu sync.RWMutex
	drivers   = make(map[string]Driver)
)

// Register makes a driver available to [Open] under a name. Drivers call it
// from an init function; like database/sql's, it panics when the driver is
// nil, the name is taken, or the name cannot be opened ("auto", empty, or with
// a colon).
func Register(name string, driver Driver) {
	driversMu.Lock()
	defer driversMu.Unlock()
	if driver == nil {
		panic("compute: Register of a nil driver")
	}
	if name == "" || name == "auto" || strings.Contains(name, ":") {
		panic(fmt.Sprintf("compute: Register with the name %q, which Open could not reach", name))
	}
	if _, taken := drivers[name]; taken {
		panic(fmt.Sprintf("compute: Register called twice for %q", name))
	}
	drivers[name] = driver
}

// Drivers returns the sorted names of the drivers that are compiled in.
func Drivers() []string {
	driversMu.RLock()
	defer driversMu.RUnlock()
	return slices.Sorted(maps.Keys(drivers))
}

// Open opens a device by name: "cpu", "cuda:0" with a configuration for the
// driver behind the colon, or "auto" for the best device present. "auto" tries
// the drivers that are a [Ranker], highest rank first, and returns the first
// device that opens; what it chose is told by [Device.Class].
func Open(name string, opts Options) (Device, error) {
	driver, config, _ := strings.Cut(name, ":")
	if driver == "auto" {
		if config != "" {
			return nil, fmt.Errorf("compute: %q: auto takes no configuration", name)
		}
		return openAuto(opts)
	}
	driversMu.RLock()
	d, ok := drivers[driver]
	driversMu.RUnlock()
	if !ok {
		return nil, fmt.Errorf("compute: unknown device %q; compiled in: %s (is the driver's package imported?)", name, compiledIn())
	}
	dev, err := d.Open(config, opts)
	if err != nil {
		return nil, fmt.Errorf("compute: open %q: %w", name, err)
	}
	return dev, nil
}

func openAuto(opts Options) (Device, error) {
	type candidate struct {
		name   string
		rank   int
		driver Driver
	}
	var candidates []candidate
	driversMu.RLock()
	for name, d := range drivers {
		if r, ok := d.(Ranker); ok {
			candidates = append(candidates, candidate{name, r.Rank(), d})
		}
	}
	driversMu.RUnlock()
	if len(candidates) == 0 {
		return nil, fmt.Errorf("compute: auto: no driver to choose from; compiled in: %s", compiledIn())
	}
	slices.SortFunc(candidates, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(a.name, b.name))
	})
	var errs []error
	for _, c := range candidates {
		dev, err := c.driver.Open("", opts)
		if err == nil {
			return dev, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", c.name, err))
	}
	return nil, fmt.Errorf("compute: auto: no device opened: %w", errors.Join(errs...))
}

func compiledIn() string {
	if names := Drivers(); len(names) > 0 {
		return strings.Join(names, ", ")
	}
	return "none"
}
