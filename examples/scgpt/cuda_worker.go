package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// A program that is built with CUDA ends before main where there is no GPU, so
// this one is not: what needs CUDA is done by the same program built with the
// tag cuda, as an executable of its own.
const (
	cudaWorkerName     = "troupe-cuda-worker"
	cudaWorkerVariable = "TROUPE_CUDA_WORKER"
	cudaWorkerBuild    = "go build -tags cuda -o " + cudaWorkerName + " ./examples/scgpt (see scgpt/compute/cuda/README.md)"
)

// needsCUDAWorker reports whether a device needs the CUDA worker.
func needsCUDAWorker(device string) bool {
	driver, _, _ := strings.Cut(device, ":")
	return driver == "cuda" && !slices.Contains(compute.Drivers(), driver)
}

// cudaWorker returns the path of the CUDA worker: what the flag or the
// environment names, else the one beside this program or on the PATH.
func (f modelFlags) cudaWorker() (string, error) {
	if path := cmp.Or(f.worker, os.Getenv(cudaWorkerVariable)); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("the CUDA worker: %w; build it: %s", err, cudaWorkerBuild)
		}
		return filepath.Abs(path)
	}
	name := cudaWorkerName
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if self, err := os.Executable(); err == nil {
		if path := filepath.Join(filepath.Dir(self), name); isFile(path) {
			return path, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("--device %s needs %s, which is neither beside this program nor on the PATH; build it: %s, and name it by --cuda-worker or %s",
			f.device, name, cudaWorkerBuild, cudaWorkerVariable)
	}
	return path, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// errDone ends a command that another program has done.
var errDone = errors.New("done")

// elsewhere hands a command that works without Temporal to the CUDA worker, if
// its device needs that, which does it with the same arguments.
func (a *app) elsewhere(cmd *cobra.Command, _ []string) error {
	device, worker := cmd.Flags().Lookup("device"), cmd.Flags().Lookup("cuda-worker")
	if device == nil || cmd.Flags().Lookup("agents") != nil || !cmd.HasParent() || cmd.Name() == "run" {
		return nil // a command without a device, or one with workers: those have processes
	}
	f := modelFlags{device: device.Value.String(), worker: worker.Value.String()}
	if !needsCUDAWorker(f.device) {
		return nil
	}
	path, err := f.cudaWorker()
	if err != nil {
		return err
	}
	child := exec.CommandContext(cmd.Context(), path, a.args...)
	child.Stdin = os.Stdin
	out := &cudaOutput{to: a.stdout}
	child.Stdout, child.Stderr = out, a.stderr
	// A signal to this program ends the child as it would end this program.
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	child.WaitDelay = 30 * time.Second
	err = child.Run()
	if flushed := out.flush(); err == nil {
		err = flushed
	}
	var exit *exec.ExitError
	switch {
	case out.noGPU != "":
		return fmt.Errorf("the CUDA worker %s found no GPU to work on: %s", path, out.noGPU)
	case context.Cause(cmd.Context()) != nil:
		return context.Cause(cmd.Context())
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		// It has said why.
		return &childError{exit.ExitCode()}
	case err != nil:
		return fmt.Errorf("the CUDA worker %s: %w", path, err)
	}
	return errDone
}

// childError is the end of a child that has reported its error itself.
type childError struct{ code int }

func (e *childError) Error() string {
	return fmt.Sprintf("the CUDA worker ended with exit code %d", e.code)
}

// cudaOutput passes a child's output on, but for what CUDA's binding prints
// before it ends a program that finds no GPU.
type cudaOutput struct {
	to    io.Writer
	begun []byte
	open  bool
	noGPU string
}

const noGPUPrefix = "Error in initialization"

func (o *cudaOutput) Write(p []byte) (int, error) {
	if o.open {
		return o.to.Write(p)
	}
	o.begun = append(o.begun, p...)
	n := min(len(o.begun), len(noGPUPrefix))
	if string(o.begun[:n]) == noGPUPrefix[:n] {
		return len(p), nil
	}
	return len(p), o.flush()
}

// flush passes on what may have been the beginning of that message.
func (o *cudaOutput) flush() error {
	if bytes.HasPrefix(o.begun, []byte(noGPUPrefix)) {
		o.noGPU = strings.TrimSpace(string(o.begun))
		return nil
	}
	o.open = true
	begun := o.begun
	o.begun = nil
	_, err := o.to.Write(begun)
	return err
}

// cudaProcess runs the scgpt agent in a CUDA worker: this program's own process
// options, with another executable.
func (a *app) cudaProcess(f workerFlags, device, address string, o registry.ProcessOptions) (registry.ProcessOptions, error) {
	path, err := f.cudaWorker()
	if err != nil {
		return o, err
	}
	dir, fallback, err := f.modelFolder()
	if err != nil {
		return o, err
	}
	args := []string{"worker", "--agents", "scgpt", "--device", device, "--precision", f.precision, "--models", dir, "--roots", strings.Join(f.roots, ",")}
	add := func(flag, value string) {
		if value != "" {
			args = append(args, flag, value)
		}
	}
	add("--default-model", fallback)
	if references, err := f.referenceFolder(); err == nil {
		add("--references", references)
	}
	add("--memo-dir", f.memo.dir)
	add("--memo-bytes", strconv.FormatInt(f.memo.bytes, 10))
	add("--lease-dir", f.lease)
	add("--ops", f.ops) // for its metrics, which its parent serves
	add("--address", address)
	add("--namespace", a.namespace)
	if f.memo.none {
		args = append(args, "--no-memo")
	}
	if a.verbose {
		args = append(args, "--verbose")
	}
	o.Executable, o.Args = path, args
	return o, nil
}

// splitDevices cuts a list of devices, whose options are separated by commas
// too: cuda:0,memory=0.5,cuda:1 are two.
func splitDevices(list string) (devices []string) {
	for _, part := range strings.Split(list, ",") {
		if key, _, isOption := strings.Cut(part, "="); isOption && !strings.Contains(key, ":") && len(devices) > 0 {
			devices[len(devices)-1] += "," + part
			continue
		}
		devices = append(devices, part)
	}
	return devices
}
