//go:build cuda

package cuda

import (
	"context"
	"fmt"

	"gorgonia.org/cu"
	"gorgonia.org/cu/nvrtc"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// Describe implements compute.Describer.
func (d *device) Describe() (compute.Description, error) {
	var out compute.Description
	err := d.run(context.Background(), func() error {
		name, err := d.gpu.Name()
		if err != nil {
			return d.check(err, "cuDeviceGetName")
		}
		free, total, err := cu.MemInfo()
		if err != nil {
			return d.check(err, "cuMemGetInfo")
		}
		major, minor, err := nvrtc.Version()
		if err != nil {
			return fmt.Errorf("nvrtcVersion: %w", err)
		}
		version := cu.Version()
		out = compute.Description{
			Name: name, MemoryTotal: total, MemoryUsed: total - free,
			Driver:  fmt.Sprintf("CUDA %d.%d", version/1000, version%1000/10),
			Runtime: fmt.Sprintf("cuBLAS %s, cuDNN %s, NVRTC %d.%d", matmulVersion(), dnnVersion(), major, minor),
		}
		return nil
	})
	return out, err
}

// libraryNames are cuBLAS's statuses.
var libraryNames = map[int]string{
	1: "not initialized", 3: "allocation failed", 7: "invalid value", 8: "architecture mismatch", 11: "mapping error",
	13: "execution failed", 14: "internal error", 15: "not supported", 16: "license error",
}

func libraryErrorName(library string, code int) string {
	if name, ok := libraryNames[code]; ok && library == "cuBLAS" {
		return name
	}
	return "unknown"
}
