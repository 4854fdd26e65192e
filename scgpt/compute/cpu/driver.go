package cpu

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/compute/cpu/internal/kernel"
)

// instructionSetVariable forces an instruction set when the device's name
// doesn't.
const instructionSetVariable = "TROUPE_CPU"

func init() { compute.Register("cpu", driver{}) }

type driver struct{}

// Rank makes the CPU the last choice of "auto".
func (driver) Rank() int { return 0 }

// Open takes an instruction set as configuration; "" chooses the best that
// this processor has.
func (driver) Open(config string, opts compute.Options) (compute.Device, error) {
	switch opts.Precision {
	case "", compute.FP32:
	default:
		return nil, fmt.Errorf("precision %q is not available on this device; available: %s", opts.Precision, compute.FP32)
	}
	if opts.Threads < 0 {
		return nil, fmt.Errorf("option Threads is %d, want 0 (GOMAXPROCS) or more", opts.Threads)
	}
	set, err := instructionSet(config)
	if err != nil {
		return nil, err
	}
	threads := opts.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return newDevice(set, threads), nil
}

func instructionSet(config string) (*kernel.Set, error) {
	sets := kernel.Sets()
	name, from := config, "configuration"
	if name == "" {
		name, from = os.Getenv(instructionSetVariable), instructionSetVariable
	}
	if name == "" {
		return sets[0], nil
	}
	i := slices.IndexFunc(sets, func(s *kernel.Set) bool { return s.Name == name })
	if i < 0 {
		var names []string
		for _, s := range sets {
			names = append(names, s.Name)
		}
		return nil, fmt.Errorf("%s: no instruction set %q on this processor and build; available: %s", from, name, strings.Join(names, ", "))
	}
	return sets[i], nil
}
