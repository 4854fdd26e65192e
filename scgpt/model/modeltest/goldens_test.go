package modeltest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	_ "github.com/seed-ab6af24b/troupe/scgpt/compute/computetest"
	_ "github.com/seed-ab6af24b/troupe/scgpt/compute/cpu"
	"github.com/seed-ab6af24b/troupe/scgpt/model/modeltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestGoldens holds every device that is at hand to the reference
// implementation's numbers.
func TestGoldens(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"cpu:avx512", "cpu:avx2", "cpu:generic", "reference"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open := func() (compute.Device, error) { return compute.Open(name, compute.Options{}) }
			dev, err := open()
			if err != nil && (name == "cpu:avx512" || name == "cpu:avx2") {
				t.Skipf("this machine's processor lacks the instructions: %v", err)
			}
			require.NoError(t, err)
			require.NoError(t, dev.Close())
			modeltest.Goldens(t, modeltest.Config{
				Open:     open,
				Testdata: "../../../testdata",
				Small:    name == "reference" || name == "cpu:generic" && raceDetector,
			})
		})
	}
}
