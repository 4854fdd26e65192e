//go:build cuda

package cuda

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// assemblerVariable names ptxas: TestKernelsCompile then assembles what NVRTC
// makes, too.
const assemblerVariable = "TROUPE_PTXAS"

// NVRTC compiles every kernel for each generation of GPUs without a GPU, and
// what ptxas makes of it keeps its variables in registers.
func TestKernelsCompile(t *testing.T) {
	t.Setenv(cacheVariable, t.TempDir())
	files, err := sources.ReadDir("kernels")
	require.NoError(t, err)
	for _, arch := range []int{75, 80, 90} {
		for _, f := range files {
			t.Run(fmt.Sprintf("%s sm_%d", f.Name(), arch), func(t *testing.T) {
				ptx, err := compile(f.Name(), arch)
				require.NoError(t, err)
				source, err := sources.ReadFile("kernels/" + f.Name())
				require.NoError(t, err)
				require.NotEmpty(t, source)
				require.Regexp(t, `\.visible \.entry \w+`, ptx)
				if f.Name() == attentionFile {
					requireEntry := func(name string, present bool) {
						require.Equal(t, present, regexp.MustCompile(`\.entry `+name+`\(`).MatchString(ptx), name)
					}
					for _, dim := range []int{16, 32, 64, 128} {
						requireEntry(fmt.Sprint("attention_fp32_", dim), true)
						requireEntry(fmt.Sprint("attention_tf32_", dim), arch >= 80)
						requireEntry(fmt.Sprint("attention_bf16_", dim), arch >= 80)
					}
					requireEntry("attention_wgmma_64", arch == 90)
				}
				assemble(t, ptx)
			})
		}
	}
}

func assemble(t *testing.T, ptx string) {
	assembler := os.Getenv(assemblerVariable)
	if assembler == "" {
		return
	}
	target := regexp.MustCompile(`\.target (sm_\w+)`).FindStringSubmatch(ptx)
	require.NotNil(t, target)
	file := filepath.Join(t.TempDir(), "kernel.ptx")
	require.NoError(t, os.WriteFile(file, []byte(ptx), 0o644))
	out, err := exec.Command(assembler, "-arch="+target[1], "-v", file, "-o", filepath.Join(t.TempDir(), "kernel.cubin")).CombinedOutput()
	require.NoError(t, err, string(out))
	require.NotContains(t, string(out), "serialized", "the products of a warpgroup would not overlap")
	for _, m := range regexp.MustCompile(`Function properties for (\w+)\s+\d+ bytes stack frame, (\d+) bytes spill stores`).FindAllStringSubmatch(string(out), -1) {
		require.Equalf(t, "0", m[2], "%s on %s spills registers", m[1], target[1])
	}
}
