//go:build cuda

package cuda

/*
#cgo LDFLAGS: -lcuda -lcublasLt
#include <stdint.h>
#include <string.h>
#include <cuda.h>
#include <cublasLt.h>

static const char* troupe_driver_name(int code) {
	const char* name = 0;
	if (cuGetErrorName((CUresult)code, &name) != CUDA_SUCCESS || !name) return "unknown";
	return name;
}

static int troupe_host_alloc(void** p, size_t n) { return cuMemAllocHost(p, n); }
static int troupe_host_free(void* p) { return cuMemFreeHost(p); }
static int troupe_shared_bytes(void* f, int n) { return cuFuncSetAttribute((CUfunction)f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, n); }

// A product is D = act(A·B + bias) in cuBLAS's column-major words: A is the
// weights, in × out transposed; B the activations, in × rows; D out × rows.
typedef struct {
	cublasLtMatmulDesc_t desc;
	cublasLtMatrixLayout_t a, b, d;
	cublasLtMatmulAlgo_t algo;
	int type, in, out;
	int64_t rows;
} troupe_product;

static int troupe_lt_create(uintptr_t* h) {
	cublasLtHandle_t lt = 0;
	int s = cublasLtCreate(&lt);
	*h = (uintptr_t)lt;
	return s;
}
static int troupe_lt_destroy(uintptr_t h) { return cublasLtDestroy((cublasLtHandle_t)h); }

static void troupe_product_free(troupe_product* p) {
	if (p->a) cublasLtMatrixLayoutDestroy(p->a);
	if (p->b) cublasLtMatrixLayoutDestroy(p->b);
	if (p->d) cublasLtMatrixLayoutDestroy(p->d);
	if (p->desc) cublasLtMatmulDescDestroy(p->desc);
	memset(p, 0, sizeof *p);
}

static int troupe_product_rows(troupe_product* p, int64_t rows) {
	if (p->rows == rows) return 0;
	if (p->b) cublasLtMatrixLayoutDestroy(p->b);
	if (p->d) cublasLtMatrixLayoutDestroy(p->d);
	p->b = p->d = 0;
	p->rows = 0;
	int s = cublasLtMatrixLayoutCreate(&p->b, (cudaDataType)p->type, p->in, rows, p->in);
	if (!s) s = cublasLtMatrixLayoutCreate(&p->d, (cudaDataType)p->type, p->out, rows, p->out);
	if (!s) p->rows = rows;
	return s;
}

// bf16: 1 for bfloat16, else float32, multiplied as such or (tf32) as
// TensorFloat-32.
static int troupe_product_init(troupe_product* p, int bf16, int tf32, int in, int out, int64_t rows, int bias, int relu) {
	memset(p, 0, sizeof *p);
	p->type = bf16 ? CUDA_R_16BF : CUDA_R_32F;
	p->in = in;
	p->out = out;
	int s = cublasLtMatmulDescCreate(&p->desc, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F);
	if (s) return s;
	cublasOperation_t t = CUBLAS_OP_T, n = CUBLAS_OP_N;
	cublasLtEpilogue_t epilogue = bias ? (relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS) : (relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT);
	if ((s = cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSA, &t, sizeof t))) return s;
	if ((s = cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSB, &n, sizeof n))) return s;
	if ((s = cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue))) return s;
	if (bias) {
		cudaDataType type = (cudaDataType)p->type;
		void* none = 0;
		if ((s = cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &type, sizeof type))) return s;
		if ((s = cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &none, sizeof none))) return s;
	}
	if ((s = cublasLtMatrixLayoutCreate(&p->a, (cudaDataType)p->type, in, out, in))) return s;
	return troupe_product_rows(p, rows);
}

// Takes the first algorithm (or the one behind as many as skip says) that cuBLAS
// proposes and that does not split the sums: its proposals depend on sizes, types
// and the GPU alone.
static int troupe_product_choose(uintptr_t h, troupe_product* p, size_t workspace, int skip, int* found, int* id, int* tile, float* waves) {
	cublasLtMatmulPreference_t pref = 0;
	uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_NONE;
	*found = 0;
	int s = cublasLtMatmulPreferenceCreate(&pref);
	if (!s) s = cublasLtMatmulPreferenceSetAttribute(pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace);
	if (!s) s = cublasLtMatmulPreferenceSetAttribute(pref, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &scheme, sizeof scheme);
	cublasLtMatmulHeuristicResult_t got[16];
	int n = 0;
	if (!s) s = cublasLtMatmulAlgoGetHeuristic((cublasLtHandle_t)h, p->desc, p->a, p->b, p->d, p->d, pref, 16, got, &n);
	if (pref) cublasLtMatmulPreferenceDestroy(pref);
	for (int i = 0; !s && i < n; i++) {
		int32_t split = 1;
		size_t written = 0;
		if (got[i].state != CUBLAS_STATUS_SUCCESS) continue;
		if (cublasLtMatmulAlgoConfigGetAttribute(&got[i].algo, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &split, sizeof split, &written)) split = 1;
		if (split != 0 && split != 1) continue;
		if (skip-- > 0) continue;
		p->algo = got[i].algo;
		*found = 1;
		*waves = got[i].wavesCount;
		cublasLtMatmulAlgoConfigGetAttribute(&p->algo, CUBLASLT_ALGO_CONFIG_ID, id, sizeof *id, &written);
		cublasLtMatmulAlgoConfigGetAttribute(&p->algo, CUBLASLT_ALGO_CONFIG_TILE_ID, tile, sizeof *tile, &written);
		break;
	}
	return s;
}

static void troupe_product_adopt(troupe_product* p, const troupe_product* from) { p->algo = from->algo; }

static int troupe_product_check(uintptr_t h, troupe_product* p, size_t workspace) {
	cublasLtMatmulHeuristicResult_t got;
	memset(&got, 0, sizeof got);
	int s = cublasLtMatmulAlgoCheck((cublasLtHandle_t)h, p->desc, p->a, p->b, p->d, p->d, &p->algo, &got);
	return !s && got.state == CUBLAS_STATUS_SUCCESS && got.workspaceSize <= workspace;
}

static int troupe_product_run(uintptr_t h, troupe_product* p, int64_t rows, uint64_t w, uint64_t x, uint64_t y, uint64_t bias, uint64_t workspace, size_t bytes, void* stream) {
	int s = troupe_product_rows(p, rows);
	if (s) return s;
	if (bias) {
		void* at = (void*)(uintptr_t)bias;
		if ((s = cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &at, sizeof at))) return s;
	}
	float one = 1, zero = 0;
	return cublasLtMatmul((cublasLtHandle_t)h, p->desc, &one, (void*)(uintptr_t)w, p->a, (void*)(uintptr_t)x, p->b, &zero,
		(void*)(uintptr_t)y, p->d, (void*)(uintptr_t)y, p->d, &p->algo, (void*)(uintptr_t)workspace, bytes, (cudaStream_t)stream);
}

static size_t troupe_lt_version(void) { return cublasLtGetVersion(); }
*/
import "C"

import (
	"fmt"
	"unsafe"

	"gorgonia.org/cu"
)

// What gorgonia.org/cu lacks: pinned memory, a kernel's shared memory beyond
// 48 KiB, and cuBLASLt. Each function returns the library's code; 0 is success.

func driverErrorName(code int) string { return C.GoString(C.troupe_driver_name(C.int(code))) }

func hostAlloc(bytes int) (unsafe.Pointer, int) {
	var p unsafe.Pointer
	code := C.troupe_host_alloc(&p, C.size_t(bytes))
	return p, int(code)
}

func hostFree(p unsafe.Pointer) int { return int(C.troupe_host_free(p)) }

// setSharedBytes lets a kernel use that much dynamic shared memory.
func setSharedBytes(fn cu.Function, bytes int) int {
	// Function holds the driver's handle and nothing else.
	handle := *(*unsafe.Pointer)(unsafe.Pointer(&fn))
	return int(C.troupe_shared_bytes(handle, C.int(bytes)))
}

// matmul is a handle of cuBLASLt.
type matmul struct{ h C.uintptr_t }

func newMatmul() (matmul, int) {
	var m matmul
	code := C.troupe_lt_create(&m.h)
	return m, int(code)
}

func (m *matmul) close() int {
	if m.h == 0 {
		return 0
	}
	code := C.troupe_lt_destroy(m.h)
	m.h = 0
	return int(code)
}

func matmulVersion() string {
	v := int(C.troupe_lt_version())
	// From 10000·major + 100·minor + patch, as cublasLt.h has it.
	return fmt.Sprintf("%d.%d.%d", v/10000, v/100%100, v%100)
}

// product is one shape of product with its algorithm.
type product struct {
	p         C.troupe_product
	algorithm string
}

func newProduct(bf16, tf32 bool, in, out int, rows int64, bias, relu bool) (*product, int) {
	p := new(product)
	code := C.troupe_product_init(&p.p, flag(bf16), flag(tf32), C.int(in), C.int(out), C.int64_t(rows), flag(bias), flag(relu))
	if code != 0 {
		p.free()
	}
	return p, int(code)
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

func (p *product) free() { C.troupe_product_free(&p.p) }

// choose takes the cuBLAS proposal with that number, from 0, among those that
// fit; false if there is none.
func (p *product) choose(m matmul, workspace int64, number int) (bool, int) {
	var found, id, tile C.int
	var waves C.float
	code := C.troupe_product_choose(m.h, &p.p, C.size_t(workspace), C.int(number), &found, &id, &tile, &waves)
	p.algorithm = fmt.Sprintf("algorithm %d, tile %d, %.2f waves", int(id), int(tile), float64(waves))
	return found != 0, int(code)
}

// adopt takes another product's algorithm; false if it does not suit.
func (p *product) adopt(m matmul, from *product, workspace int64) bool {
	C.troupe_product_adopt(&p.p, &from.p)
	p.algorithm = from.algorithm
	return C.troupe_product_check(m.h, &p.p, C.size_t(workspace)) != 0
}

func (p *product) run(m matmul, rows int64, w, x, y, bias uint64, workspace block, stream cu.Stream) int {
	return int(C.troupe_product_run(m.h, &p.p, C.int64_t(rows), C.uint64_t(w), C.uint64_t(x), C.uint64_t(y), C.uint64_t(bias),
		C.uint64_t(workspace.at), C.size_t(workspace.bytes), unsafe.Pointer(stream.C())))
}
