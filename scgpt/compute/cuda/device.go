//go:build cuda

package cuda

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"

	"gorgonia.org/cu"
	blas "gorgonia.org/cu/blas"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// device is one GPU as its users see it: the methods of compute.Device. They may
// be called from any goroutine; what they do runs on the core's thread.
type device struct {
	*core
	// inline says that this is the device of a sequence: its methods are
	// called on the thread already.
	inline bool
}

// core is one GPU. All calls of CUDA run on its thread, and all work on the GPU
// in the order of its stream. Its methods are for that thread.
type core struct {
	config    config
	precision compute.Precision
	label     string // "cuda:0 (NVIDIA H100)"
	class     string
	arch      int // 90 for compute capability 9.0

	thread *thread
	waiter *thread // waits for events, so that thread needs not

	closing sync.Mutex
	closed  atomic.Bool
	lost    atomic.Pointer[compute.DeviceLostError]

	// Set by start, used on the thread.
	gpu       cu.Device
	retained  bool
	context   cu.CUContext
	stream    cu.Stream
	hasStream bool
	sms       int
	// sharedLimit is the largest dynamic shared memory of a block, in bytes.
	sharedLimit int
	memory      arena
	kernels     kernels
	staging     staging
	blas        *blas.Standard
	matmul      matmul
	library     library
	products    map[productKey]*product
	workspace   block
	pace        pace
	profile     profile
	batch       int
}

var (
	_ compute.Device    = (*device)(nil)
	_ compute.Sequencer = (*device)(nil)
	_ compute.Fetcher   = (*device)(nil)
	_ compute.Describer = (*device)(nil)
	_ Profiler          = (*device)(nil)
)

func (d *device) Class() string    { return d.class }
func (d *device) BatchTokens() int { return d.batch }

// maxSharedOptin is CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, which
// gorgonia.org/cu lacks.
const maxSharedOptin cu.DeviceAttribute = 97

// workspaceBytes is what cuBLAS may use beside its operands; NVIDIA's advice
// for Hopper.
const workspaceBytes = 32 << 20

// start opens the GPU, on the device's thread.
func (d *core) start() error {
	var err error
	if d.gpu, err = cu.GetDevice(d.config.ordinal); err != nil {
		return d.check(err, "cuDeviceGet(%d)", d.config.ordinal)
	}
	name, err := d.gpu.Name()
	if err != nil {
		return d.check(err, "cuDeviceGetName")
	}
	d.label += " (" + name + ")"
	attribute := func(a cu.DeviceAttribute, what string) int {
		v, e := d.gpu.Attribute(a)
		if e != nil && err == nil {
			err = d.check(e, "cuDeviceGetAttribute(%s)", what)
		}
		return v
	}
	d.arch = 10*attribute(cu.ComputeCapabilityMajor, "compute capability") + attribute(cu.ComputeCapabilityMinor, "compute capability")
	d.sms = attribute(cu.MultiprocessorCount, "multiprocessors")
	d.sharedLimit = attribute(maxSharedOptin, "shared memory")
	clock := attribute(cu.ClockRate, "clock rate")
	if err != nil {
		return err
	}
	if d.arch < 80 && d.precision != compute.FP32 {
		return fmt.Errorf("%s has compute capability %d.%d: precision %q needs 8.0 or more; available: %s", d.label, d.arch/10, d.arch%10, d.precision, compute.FP32)
	}
	if d.config.attention == wgmma && d.arch != 90 {
		return fmt.Errorf("%s has compute capability %d.%d: attention=%s needs 9.0", d.label, d.arch/10, d.arch%10, wgmma)
	}
	if d.context, err = d.gpu.RetainPrimaryCtx(); err != nil {
		return d.check(err, "cuDevicePrimaryCtxRetain")
	}
	d.retained = true
	if err := cu.SetCurrentContext(d.context); err != nil {
		return d.check(err, "cuCtxSetCurrent")
	}
	// All work is on it, nothing on the default stream, which other devices of
	// the process would wait for.
	if d.stream, err = cu.MakeStream(cu.NonBlocking); err != nil {
		return d.check(err, "cuStreamCreate")
	}
	d.hasStream = true
	free, _, err := cu.MemInfo()
	if err != nil {
		return d.check(err, "cuMemGetInfo")
	}
	d.memory.limit = max(0, int64(float64(free)*d.config.memory))
	d.memory.alloc = func(bytes int64) (uint64, error) {
		at, err := cu.MemAlloc(bytes)
		return uint64(at), d.check(err, "cuMemAlloc(%d bytes)", bytes)
	}
	d.memory.free = func(at uint64) error { return d.check(cu.MemFree(cu.DevicePtr(at)), "cuMemFree") }
	if d.config.arena {
		d.memory.slab = min(512<<20, aligned(d.memory.limit/8))
	}
	d.batch = d.config.batchFor(d.memory.limit)
	if err := d.pace.start(d, clock); err != nil {
		return err
	}
	if err := d.staging.start(d); err != nil {
		return err
	}
	if err := d.kernels.load(d); err != nil {
		return err
	}
	if err := d.startProducts(); err != nil {
		return err
	}
	d.class = fmt.Sprintf("cuda/sm%d%s/%s", d.arch, d.config.variant(), d.precision)
	d.waiter = newThread()
	return d.waiter.do(context.Background(), func() error { return d.check(cu.SetCurrentContext(d.context), "cuCtxSetCurrent") })
}

// backgroundContext is that of calls which Device gives none.
var backgroundContext = context.Background()

// log tells choices that matter to speed, at the level of debugging.
func (d *core) log(message string, args ...any) {
	slog.Debug("cuda: "+message, append([]any{"device", d.label}, args...)...)
}

// operate runs an operation of the Device interface that queues work.
func (d *device) operate(ctx context.Context, op string, f func() error) error {
	return d.run(ctx, func() error { return d.timed(op, f) })
}

// run runs f on the device's thread.
func (d *device) run(ctx context.Context, f func() error) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if d.inline {
		if err := d.usable(); err != nil {
			return err
		}
		return f()
	}
	return d.thread.do(ctx, func() error {
		if err := d.usable(); err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		return f()
	})
}

// InFlight implements compute.Sequencer: while the GPU computes one pass, the
// next one is queued.
func (d *device) InFlight() int { return 2 }

// Sequence implements compute.Sequencer.
func (d *device) Sequence(ctx context.Context, f func(compute.Device) error) error {
	return d.run(ctx, func() error {
		inner := &device{core: d.core, inline: true}
		// Whoever keeps it has an ordinary device.
		defer func() { inner.inline = false }()
		return f(inner)
	})
}

func (d *core) usable() error {
	if d.closed.Load() {
		return errClosed
	}
	if lost := d.lost.Load(); lost != nil {
		return lost
	}
	return nil
}

// check turns a status of gorgonia.org/cu or a code of this package's own calls
// into an error that says what was called. A fault that ends the context marks
// the device as lost.
func (d *core) check(err error, call string, args ...any) error {
	if err == nil {
		return nil
	}
	e := &callError{device: d.label, call: fmt.Sprintf(call, args...), library: "CUDA", code: -1, name: err.Error()}
	if v := reflect.ValueOf(err); v.Kind() == reflect.Int {
		e.code = int(v.Int())
	}
	return d.fault(e)
}

func (d *core) checkCode(code int, call string, args ...any) error {
	if code == 0 {
		return nil
	}
	return d.fault(&callError{device: d.label, call: fmt.Sprintf(call, args...), library: "CUDA", code: code, name: driverErrorName(code)})
}

func (d *core) fault(e *callError) error {
	if !e.lost() {
		return e
	}
	lost := &compute.DeviceLostError{Device: d.label, Cause: e}
	d.lost.CompareAndSwap(nil, lost)
	return d.lost.Load()
}

// checkLibrary does so for cuBLAS and cuDNN. When they fail, the fault may be
// the GPU's: the stream tells.
func (d *core) checkLibrary(library string, code int, call string, args ...any) error {
	if code == 0 {
		return nil
	}
	if err := d.check(d.stream.Synchronize(), "cuStreamSynchronize after %s error %d in %s", library, code, fmt.Sprintf(call, args...)); err != nil {
		return err
	}
	return &callError{device: d.label, call: fmt.Sprintf(call, args...), library: library, code: code, name: libraryErrorName(library, code)}
}

// Close waits for queued work and gives everything back.
func (d *device) Close() error {
	d.closing.Lock()
	defer d.closing.Unlock()
	if d.closed.Load() {
		return nil
	}
	if d.waiter != nil {
		d.waiter.end()
	}
	err := d.thread.do(context.Background(), func() error {
		d.closed.Store(true)
		return d.release()
	})
	d.thread.end()
	return err
}

// release undoes what start did.
func (d *core) release() error {
	if d.lost.Load() != nil {
		return d.abandon()
	}
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	if d.hasStream {
		note(d.check(d.stream.Synchronize(), "cuStreamSynchronize"))
	}
	if d.lost.Load() != nil {
		return first
	}
	note(d.dropMarks())
	note(d.releaseLibrary())
	note(d.releaseProducts())
	note(d.kernels.unload(d))
	note(d.staging.release(d))
	note(d.pace.release(d))
	note(d.memory.drop())
	if d.hasStream {
		note(d.check(d.stream.Destroy(), "cuStreamDestroy"))
	}
	if d.retained {
		note(d.check(d.gpu.ReleasePrimaryCtx(), "cuDevicePrimaryCtxRelease"))
	}
	return first
}

// abandon gives up a lost device, whose context refuses every call but this one:
// what was in it goes with it.
func (d *core) abandon() error {
	if d.retained {
		_ = d.gpu.ReleasePrimaryCtx()
	}
	return nil
}
