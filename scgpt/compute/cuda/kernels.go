//go:build cuda

package cuda

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"gorgonia.org/cu"
	"gorgonia.org/cu/nvrtc"
)

//go:embed kernels/*.cu
var sources embed.FS

// cacheVariable names the folder in which compiled kernels are kept.
const cacheVariable = "TROUPE_CUDA_CACHE"

// kernels are the modules that are loaded and the functions in them.
type kernels struct {
	modules   []cu.Module
	functions map[string]cu.Function
}

// programs lists the files of kernels/ that are loaded at Open, and what is used
// of them.
var programs = []struct {
	file      string
	functions []string
}{
	{"rows.cu", []string{
		"embed", "addnorm_any", "normalize", "pool", "dot", "activate", "convert", "copy_rows", "mask_columns",
		"addnorm_fp32_256", "addnorm_fp32_512", "addnorm_fp32_768", "addnorm_fp32_1024",
		"addnorm_bf16_256", "addnorm_bf16_512", "addnorm_bf16_768", "addnorm_bf16_1024",
	}},
	{"linear.cu", []string{"linear_any"}},
	{"attend.cu", []string{"attend"}},
}

func (k *kernels) load(d *core) error {
	k.functions = make(map[string]cu.Function)
	for _, p := range programs {
		if err := k.loadProgram(d, p.file, p.functions); err != nil {
			return err
		}
	}
	return nil
}

// attentionFile is the program of the fused attention.
const attentionFile = "attention.cu"

// loadFused loads an attention kernel when heads of its size first appear.
func (k *kernels) loadFused(d *core, function string, dim, shared int) error {
	if _, ok := k.functions[function]; ok {
		return nil
	}
	if err := k.loadProgram(d, attentionFile, []string{function}, fmt.Sprintf("-DHEAD_DIM=%d", dim)); err != nil {
		return err
	}
	return d.checkCode(setSharedBytes(k.functions[function], shared), "cuFuncSetAttribute(%s, %d bytes of shared memory)", function, shared)
}

func (k *kernels) loadProgram(d *core, file string, functions []string, options ...string) error {
	ptx, err := compile(file, d.arch, options...)
	if err != nil {
		return fmt.Errorf("%s: %w", d.label, err)
	}
	m, err := cu.LoadData(ptx)
	if err != nil {
		return d.check(err, "cuModuleLoadData(%s)", file)
	}
	k.modules = append(k.modules, m)
	for _, name := range functions {
		fn, err := m.Function(name)
		if err != nil {
			return d.check(err, "cuModuleGetFunction(%s in %s)", name, file)
		}
		k.functions[name] = fn
	}
	return nil
}

func (k *kernels) unload(d *core) (err error) {
	for _, m := range k.modules {
		if e := d.check(m.Unload(), "cuModuleUnload"); err == nil {
			err = e
		}
	}
	k.modules = nil
	return err
}

// compile returns the PTX of a file of kernels/, from the cache if it is there.
func compile(file string, arch int, more ...string) (string, error) {
	source, err := sources.ReadFile("kernels/" + file)
	if err != nil {
		return "", err
	}
	major, minor, err := nvrtc.Version()
	if err != nil {
		return "", fmt.Errorf("nvrtcVersion: %w", err)
	}
	target := strconv.Itoa(arch)
	if arch == 90 && file == attentionFile {
		target = "90a" // Hopper's own instructions, which no later GPU has
	}
	options := append([]string{"--gpu-architecture=compute_" + target, "--std=c++17", "--device-as-default-execution-space"}, more...)
	path := cachePath(file, fmt.Sprintf("%d.%d\n%s\n%s", major, minor, strings.Join(options, " "), source))
	if ptx, err := os.ReadFile(path); err == nil && strings.Contains(string(ptx), ".version") {
		return string(ptx), nil
	}
	program, err := nvrtc.CreateProgram(string(source), file)
	if err != nil {
		return "", fmt.Errorf("nvrtcCreateProgram(%s): %w", file, err)
	}
	defer func() { _ = program.Destroy() }()
	if err := program.Compile(options...); err != nil {
		log, _ := program.GetLog()
		return "", fmt.Errorf("nvrtcCompileProgram(%s, %s): %w: %s", file, options[0], err, strings.TrimRight(log, "\x00\n"))
	}
	ptx, err := program.GetPTX()
	if err != nil {
		return "", fmt.Errorf("nvrtcGetPTX(%s): %w", file, err)
	}
	ptx = strings.TrimRight(ptx, "\x00")
	keep(path, ptx)
	return ptx, nil
}

// cachePath returns where the PTX of a program is kept, "" for nowhere.
func cachePath(file, key string) string {
	dir := os.Getenv(cacheVariable)
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(user, "troupe", "ptx")
	}
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(dir, strings.TrimSuffix(file, ".cu")+"-"+hex.EncodeToString(sum[:16])+".ptx")
}

// keep writes to the cache. What fails costs time at the next start only.
func keep(path, ptx string) {
	if path == "" || os.MkdirAll(filepath.Dir(path), 0o755) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".ptx-*")
	if err != nil {
		return
	}
	_, err = f.WriteString(ptx)
	if f.Close() != nil || err != nil || os.Rename(f.Name(), path) != nil {
		_ = os.Remove(f.Name())
	}
}

// Arguments of kernels are 8 bytes each.
func integer(n int) uint64    { return uint64(int64(n)) }
func number(f float64) uint64 { return math.Float64bits(f) }
func ceil(n, by int) int      { return (n + by - 1) / by }

// launch queues a kernel. shared is the dynamic shared memory in bytes.
func (d *core) launch(name string, gridX, gridY, threads, shared int, args ...uint64) error {
	var params [20]unsafe.Pointer
	for i := range args {
		params[i] = unsafe.Pointer(&args[i])
	}
	err := d.kernels.functions[name].Launch(gridX, gridY, 1, threads, 1, 1, shared, d.stream, params[:len(args)])
	return d.check(err, "launch of %s, %d × %d blocks of %d threads, arguments %v", name, gridX, gridY, threads, args)
}
