//go:build cuda

package cuda

/*
#cgo LDFLAGS: -lcublas -lcudnn
#include <stdint.h>
#include <cublas_v2.h>
#include <cudnn.h>

static int troupe_blas_create(uintptr_t* h, void* stream) {
	cublasHandle_t b = 0;
	int s = cublasCreate(&b);
	if (!s && (s = cublasSetStream(b, (cudaStream_t)stream))) cublasDestroy(b);
	*h = s ? 0 : (uintptr_t)b;
	return s;
}
static int troupe_blas_workspace(uintptr_t h, uint64_t at, size_t bytes) { return cublasSetWorkspace((cublasHandle_t)h, (void*)(uintptr_t)at, bytes); }
static int troupe_blas_destroy(uintptr_t h) { return cublasDestroy((cublasHandle_t)h); }

static int troupe_blas_stream(void* h, void* stream) { return cublasSetStream((cublasHandle_t)h, (cudaStream_t)stream); }
static int troupe_dnn_stream(void* h, void* stream) { return cudnnSetStream((cudnnHandle_t)h, (cudaStream_t)stream); }

static int troupe_gemm(uintptr_t h, int ta, int tb, int m, int n, int k, float alpha, uint64_t a, int ta16, int lda, int64_t sa,
	uint64_t b, int tb16, int ldb, int64_t sb, uint64_t c, int tc16, int ldc, int64_t sc, int count, int tf32) {
	float beta = 0;
#define TYPE(x) ((x) ? CUDA_R_16BF : CUDA_R_32F)
	return cublasGemmStridedBatchedEx((cublasHandle_t)h, ta ? CUBLAS_OP_T : CUBLAS_OP_N, tb ? CUBLAS_OP_T : CUBLAS_OP_N, m, n, k, &alpha,
		(void*)(uintptr_t)a, TYPE(ta16), lda, sa, (void*)(uintptr_t)b, TYPE(tb16), ldb, sb, &beta, (void*)(uintptr_t)c, TYPE(tc16), ldc, sc, count,
		tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
}

static int troupe_descriptor_destroy(void* d) { return cudnnDestroyTensorDescriptor((cudnnTensorDescriptor_t)d); }
static size_t troupe_dnn_version(void) { return cudnnGetVersion(); }
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"

	"gorgonia.org/cu"
	blas "gorgonia.org/cu/blas"
	cudnn "gorgonia.org/cu/dnn"
)

// What gorgonia.org/cu's BLAS and cuDNN lack: a stream of ours, other types than
// float32, and batches with strides.

// setBLASStream and setDNNStream put the work of handles of gorgonia.org/cu,
// which else goes to the default stream, on a stream.
func setBLASStream(b *blas.Standard, stream cu.Stream) int {
	// In version 0.9.6 the handle is the struct's first field, as in the next one.
	return int(C.troupe_blas_stream(*(*unsafe.Pointer)(unsafe.Pointer(b)), unsafe.Pointer(stream.C())))
}

func setDNNStream(c *cudnn.Context, stream cu.Stream) int {
	return int(C.troupe_dnn_stream(*(*unsafe.Pointer)(unsafe.Pointer(c)), unsafe.Pointer(stream.C())))
}

type gemm struct{ h C.uintptr_t }

func newGemm(stream cu.Stream) (gemm, int) {
	var g gemm
	code := C.troupe_blas_create(&g.h, unsafe.Pointer(stream.C()))
	return g, int(code)
}

func (g *gemm) setWorkspace(b block) int {
	return int(C.troupe_blas_workspace(g.h, C.uint64_t(b.at), C.size_t(b.bytes)))
}

func (g *gemm) close() int {
	if g.h == 0 {
		return 0
	}
	code := C.troupe_blas_destroy(g.h)
	g.h = 0
	return int(code)
}

// operand is a matrix of a batch in cuBLAS's column-major words: leading
// dimension and stride in numbers.
type gemmOperand struct {
	at         uint64
	element    element
	transposed bool
	ld, stride int
}

// run computes c = alpha·a·b for a batch: c is m × n, the sums have k terms.
func (g *gemm) run(m, n, k int, alpha float64, a, b, c gemmOperand, count int, tf32 bool) int {
	return int(C.troupe_gemm(g.h, flag(a.transposed), flag(b.transposed), C.int(m), C.int(n), C.int(k), C.float(alpha),
		C.uint64_t(a.at), C.int(a.element), C.int(a.ld), C.int64_t(a.stride),
		C.uint64_t(b.at), C.int(b.element), C.int(b.ld), C.int64_t(b.stride),
		C.uint64_t(c.at), C.int(c.element), C.int(c.ld), C.int64_t(c.stride), C.int(count), flag(tf32)))
}

// destroyDescriptor does at once what gorgonia.org/cu leaves to a finalizer,
// which may run after the library's handle is gone.
func destroyDescriptor(t *cudnn.TensorDescriptor) int {
	runtime.SetFinalizer(t, nil)
	// The handle is the struct's first field.
	return int(C.troupe_descriptor_destroy(*(*unsafe.Pointer)(unsafe.Pointer(t))))
}

func dnnVersion() string {
	v := int(C.troupe_dnn_version())
	// 10000·major + 100·minor + patch since version 9, 1000·major before.
	major := 10000
	if v < major {
		major = 1000
	}
	return fmt.Sprintf("%d.%d.%d", v/major, v%major/100, v%100)
}

// onDevice is an address on the GPU as gorgonia.org/cu's cuDNN takes it.
type onDevice uint64

func (a onDevice) Uintptr() uintptr           { return uintptr(a) }
func (a onDevice) IsNativelyAccessible() bool { return false }
