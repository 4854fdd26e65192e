package cpu

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/internal/kernel"
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
	if opts.Threads < 0 {
		return nil, fmt.Errorf("option Threads is %d, want 0 (GOMAXPROCS) or more", opts.Threads)
	}
	set, err := chooseSet(config, opts.Precision)
	if err != nil {
		return nil, err
	}
	threads := opts.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return newDevice(set, threads), nil
}

// chooseSet takes the best set of a precision, or the named one. A set that is
// slower than one of higher precision must be named.
func chooseSet(config string, precision compute.Precision) (*kernel.Set, error) {
	if precision == "" {
		precision = compute.FP32
	}
	name, from := config, "configuration"
	if name == "" {
		name, from = os.Getenv(instructionSetVariable), instructionSetVariable
	}
	sets := kernel.Sets()
	if name != "" {
		sets = slices.Concat(sets, kernel.Unlisted())
	}
	var names, precisions []string
	for _, s := range sets {
		if !slices.Contains(precisions, s.Precision) {
			precisions = append(precisions, s.Precision)
		}
		if s.Precision != string(precision) {
			continue
		}
		if name == "" || s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("precision %q is not available on this device; available: %s%s", precision, strings.Join(precisions, ", "), lacking(precision))
	}
	return nil, fmt.Errorf("%s: no instruction set %q with precision %s on this processor and build; available: %s", from, name, precision, strings.Join(names, ", "))
}

// lacking says what hardware a precision takes and what this processor has.
func lacking(p compute.Precision) string {
	has := kernel.Features()
	if has == "" {
		has = "none of the instruction sets with kernels"
	}
	switch p {
	case compute.BF16:
		return " (it takes AVX512_BF16 or AMX; this processor and build have " + has + ")"
	case compute.BF16x3:
		return " (it takes AMX: with AVX512_BF16, which multiplies bfloat16 twice as fast as float32, three products take longer than one in float32, so that it must be asked for by name, as in cpu:avx512bf16; this processor and build have " + has + ")"
	}
	return ""
}
