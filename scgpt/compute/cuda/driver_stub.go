//go:build !cuda

package cuda

import (
	"errors"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

func init() { compute.Register("cuda", stub{}) }

// stub stands in where the device is not compiled in; it is no compute.Ranker,
// so that "auto" passes it by.
type stub struct{}

func (stub) Open(text string, _ compute.Options) (compute.Device, error) {
	if _, err := parseConfig(text); err != nil {
		return nil, err
	}
	return nil, errors.New("this program was built without CUDA: build it with -tags cuda and CUDA's headers (scgpt/compute/cuda/README.md), or let troupe-cuda-worker do the work")
}
