//go:build cuda

package cuda_test

import "os"

// deviceName is the device that the tests open; TROUPE_CUDA_DEVICE names
// another one, with options such as those that suit a simulated device.
func deviceName() string {
	if name := os.Getenv("TROUPE_CUDA_DEVICE"); name != "" {
		return name
	}
	return "cuda:0"
}
