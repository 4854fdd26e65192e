// libcublasLt: the calls that the device makes. Descriptors are the opaque
// structures of cublasLt.h, filled with what the calls set.
#include "cuda_types.h"

#include <cublasLt.h>

#include <algorithm>
#include <cstring>

#include "blas.h"
#include "device.h"

using namespace sim;

#define API extern "C" __attribute__((visibility("default"))) cublasStatus_t CUBLASWINAPI

namespace {

struct MatmulDesc {
	cublasComputeType_t compute;
	cudaDataType_t scale;
	int32_t transA, transB;
	uint32_t epilogue;
	const void* bias;
	int32_t biasType;
	int32_t pointerMode;
};
static_assert(sizeof(MatmulDesc) <= sizeof(cublasLtMatmulDescOpaque_t));

struct Layout {
	cudaDataType type;
	uint64_t rows, cols;
	int64_t ld;
	int32_t order, batch;
	int64_t stride;
};
static_assert(sizeof(Layout) <= sizeof(cublasLtMatrixLayoutOpaque_t));

MatmulDesc* of(cublasLtMatmulDesc_t d) { return reinterpret_cast<MatmulDesc*>(d); }
Layout* of(cublasLtMatrixLayout_t l) { return reinterpret_cast<Layout*>(l); }

cublasStatus_t enterLt(const char* call) { return static_cast<cublasStatus_t>(enter(call)); }

int version() { return CUBLAS_VER_MAJOR * 10000 + CUBLAS_VER_MINOR * 100 + CUBLAS_VER_PATCH; }

// checked says whether the simulation can do the product, and how.
cublasStatus_t checked(const MatmulDesc& d, const Layout& a, const Layout& b, const Layout& c, const Layout& out, Product* p) {
	auto type = [](cudaDataType t, Type* to) {
		*to = t == CUDA_R_16BF ? Type::bf16 : Type::f32;
		return t == CUDA_R_16BF || t == CUDA_R_32F;
	};
	Type ta, tb, tc, td;
	if (!type(a.type, &ta) || !type(b.type, &tb) || !type(c.type, &tc) || !type(out.type, &td) || ta != tb || tc != td || (ta == Type::f32 && td != ta)) return CUBLAS_STATUS_NOT_SUPPORTED;
	if (d.compute != CUBLAS_COMPUTE_32F && d.compute != CUBLAS_COMPUTE_32F_FAST_TF32 && d.compute != CUBLAS_COMPUTE_32F_PEDANTIC) return CUBLAS_STATUS_NOT_SUPPORTED;
	if (d.scale != CUDA_R_32F || d.pointerMode != CUBLASLT_POINTER_MODE_HOST) return CUBLAS_STATUS_NOT_SUPPORTED;
	for (const Layout* l : {&a, &b, &c, &out}) {
		if (l->order != CUBLASLT_ORDER_COL || l->batch != 1) return CUBLAS_STATUS_NOT_SUPPORTED;
		if (l->ld < int64_t(l->rows)) return CUBLAS_STATUS_INVALID_VALUE;
	}
	bool transA = d.transA != CUBLAS_OP_N, transB = d.transB != CUBLAS_OP_N;
	uint64_t m = transA ? a.cols : a.rows, k = transA ? a.rows : a.cols, kb = transB ? b.cols : b.rows, n = transB ? b.rows : b.cols;
	if (k != kb || out.rows != m || out.cols != n || c.rows != m || c.cols != n) return CUBLAS_STATUS_INVALID_VALUE;
	bool biased = false, relu = false;
	switch (d.epilogue) {
	case CUBLASLT_EPILOGUE_DEFAULT: break;
	case CUBLASLT_EPILOGUE_RELU: relu = true; break;
	case CUBLASLT_EPILOGUE_BIAS: biased = true; break;
	case CUBLASLT_EPILOGUE_RELU_BIAS: relu = biased = true; break;
	default: return CUBLAS_STATUS_NOT_SUPPORTED;
	}
	if (biased && d.biasType != -1 && d.biasType != out.type) return CUBLAS_STATUS_NOT_SUPPORTED;
	// What the tensor cores' kernels ask of bfloat16: rows of a multiple of 16 bytes.
	if (ta == Type::bf16 && (a.ld % 8 || b.ld % 8 || out.ld % 8)) return CUBLAS_STATUS_NOT_SUPPORTED;
	*p = {transA, transB, long(m), long(n), long(k), 1, 0, nullptr, a.ld, nullptr, b.ld, nullptr, c.ld, nullptr, out.ld, ta, td, d.compute == CUBLAS_COMPUTE_32F_FAST_TF32 && ta == Type::f32,
		biased ? d.bias : nullptr, relu, orderFor(long(m), long(n))};
	return biased && !d.bias ? CUBLAS_STATUS_INVALID_VALUE : CUBLAS_STATUS_SUCCESS;
}

size_t span(const Layout& l) {
	if (!l.rows || !l.cols) return 0;
	return (size_t(l.ld) * (l.cols - 1) + l.rows) * (l.type == CUDA_R_32F ? 4 : 2);
}

template <class T> cublasStatus_t set(T* field, const void* buf, size_t size) {
	if (size < sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
	memcpy(field, buf, sizeof(T));
	return CUBLAS_STATUS_SUCCESS;
}

template <class T> cublasStatus_t give(T v, void* buf, size_t size, size_t* written) {
	if (written) *written = sizeof(T);
	if (size < sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
	memcpy(buf, &v, sizeof(T));
	return CUBLAS_STATUS_SUCCESS;
}

} // namespace

API cublasLtCreate(cublasLtHandle_t* h) {
	if (auto s = enterLt("cublasLtCreate")) return s;
	*h = reinterpret_cast<cublasLtHandle_t>(new int);
	opened("cuBLASLt handles");
	return CUBLAS_STATUS_SUCCESS;
}

API cublasLtDestroy(cublasLtHandle_t h) {
	delete reinterpret_cast<int*>(h);
	closed("cuBLASLt handles");
	return CUBLAS_STATUS_SUCCESS;
}

extern "C" __attribute__((visibility("default"))) size_t cublasLtGetVersion() { return size_t(version()); }
extern "C" __attribute__((visibility("default"))) const char* cublasLtGetStatusName(cublasStatus_t s) { return s ? "CUBLAS_STATUS_FAILURE" : "CUBLAS_STATUS_SUCCESS"; }
extern "C" __attribute__((visibility("default"))) const char* cublasLtGetStatusString(cublasStatus_t s) { return s ? "a cuBLASLt failure" : "success"; }

API cublasLtMatmulDescInit_internal(cublasLtMatmulDesc_t d, size_t, cublasComputeType_t compute, cudaDataType_t scale) {
	*of(d) = {compute, scale, CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, nullptr, -1, CUBLASLT_POINTER_MODE_HOST};
	return CUBLAS_STATUS_SUCCESS;
}

API cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* d, cublasComputeType_t compute, cudaDataType_t scale) {
	if (auto s = enterLt("cublasLtMatmulDescCreate")) return s;
	*d = new cublasLtMatmulDescOpaque_t{};
	opened("cuBLASLt descriptors");
	return cublasLtMatmulDescInit_internal(*d, sizeof **d, compute, scale);
}

API cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d) {
	delete d;
	closed("cuBLASLt descriptors");
	return CUBLAS_STATUS_SUCCESS;
}

API cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute, const void* buf, size_t size) {
	if (auto s = enterLt("cublasLtMatmulDescSetAttribute")) return s;
	auto* d = of(desc);
	switch (attribute) {
	case CUBLASLT_MATMUL_DESC_TRANSA: return set(&d->transA, buf, size);
	case CUBLASLT_MATMUL_DESC_TRANSB: return set(&d->transB, buf, size);
	case CUBLASLT_MATMUL_DESC_EPILOGUE: return set(&d->epilogue, buf, size);
	case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return set(&d->bias, buf, size);
	case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return set(&d->biasType, buf, size);
	case CUBLASLT_MATMUL_DESC_POINTER_MODE: return set(&d->pointerMode, buf, size);
	default: return CUBLAS_STATUS_NOT_SUPPORTED;
	}
}

API cublasLtMatrixLayoutInit_internal(cublasLtMatrixLayout_t l, size_t, cudaDataType type, uint64_t rows, uint64_t cols, int64_t ld) {
	*of(l) = {type, rows, cols, ld, CUBLASLT_ORDER_COL, 1, 0};
	return CUBLAS_STATUS_SUCCESS;
}

API cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* l, cudaDataType type, uint64_t rows, uint64_t cols, int64_t ld) {
	if (auto s = enterLt("cublasLtMatrixLayoutCreate")) return s;
	*l = new cublasLtMatrixLayoutOpaque_t{};
	opened("cuBLASLt layouts");
	return cublasLtMatrixLayoutInit_internal(*l, sizeof **l, type, rows, cols, ld);
}

API cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l) {
	delete l;
	closed("cuBLASLt layouts");
	return CUBLAS_STATUS_SUCCESS;
}

API cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t attribute, const void* buf, size_t size) {
	if (auto s = enterLt("cublasLtMatrixLayoutSetAttribute")) return s;
	auto* l = of(layout);
	switch (attribute) {
	case CUBLASLT_MATRIX_LAYOUT_ROWS: return set(&l->rows, buf, size);
	case CUBLASLT_MATRIX_LAYOUT_COLS: return set(&l->cols, buf, size);
	case CUBLASLT_MATRIX_LAYOUT_LD: return set(&l->ld, buf, size);
	case CUBLASLT_MATRIX_LAYOUT_ORDER: return set(&l->order, buf, size);
	case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: return set(&l->batch, buf, size);
	case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: return set(&l->stride, buf, size);
	default: return CUBLAS_STATUS_NOT_SUPPORTED;
	}
}

API cublasLtMatmulPreferenceInit_internal(cublasLtMatmulPreference_t, size_t) { return CUBLAS_STATUS_SUCCESS; }

API cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* p) {
	if (auto s = enterLt("cublasLtMatmulPreferenceCreate")) return s;
	*p = new cublasLtMatmulPreferenceOpaque_t{};
	opened("cuBLASLt preferences");
	return CUBLAS_STATUS_SUCCESS;
}

API cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) {
	delete p;
	closed("cuBLASLt preferences");
	return CUBLAS_STATUS_SUCCESS;
}

API cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t, const void*, size_t) { return enterLt("cublasLtMatmulPreferenceSetAttribute"); }

API cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t out,
	cublasLtMatmulPreference_t, int requested, cublasLtMatmulHeuristicResult_t results[], int* found) {
	if (auto s = enterLt("cublasLtMatmulAlgoGetHeuristic")) return s;
	*found = 0;
	if (requested < 1) return CUBLAS_STATUS_INVALID_VALUE;
	Product p;
	MatmulDesc copy = *of(d);
	if (!copy.bias) copy.bias = &copy; // need not be set yet
	if (auto s = checked(copy, *of(a), *of(b), *of(c), *of(out), &p)) return s;
	memset(results, 0, sizeof *results);
	results[0].algo.data[0] = 1 + uint64_t(p.order);
	results[0].state = CUBLAS_STATUS_SUCCESS;
	results[0].wavesCount = 1;
	*found = 1;
	return CUBLAS_STATUS_SUCCESS;
}

API cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t* algo, cublasLtMatmulAlgoConfigAttributes_t attribute, void* buf, size_t size, size_t* written) {
	if (auto s = enterLt("cublasLtMatmulAlgoConfigGetAttribute")) return s;
	switch (attribute) {
	case CUBLASLT_ALGO_CONFIG_ID: return give(int32_t(algo->data[0]), buf, size, written);
	case CUBLASLT_ALGO_CONFIG_SPLITK_NUM: return give(int32_t(1), buf, size, written);
	case CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID: case CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID: return give(uint16_t(0), buf, size, written);
	default: return give(uint32_t(0), buf, size, written);
	}
}

API cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t out,
	const cublasLtMatmulAlgo_t* algo, cublasLtMatmulHeuristicResult_t* result) {
	if (auto s = enterLt("cublasLtMatmulAlgoCheck")) return s;
	Product p;
	MatmulDesc copy = *of(d);
	if (!copy.bias) copy.bias = &copy;
	memset(result, 0, sizeof *result);
	result->algo = *algo;
	return checked(copy, *of(a), *of(b), *of(c), *of(out), &p);
}

API cublasLtMatmul(cublasLtHandle_t h, cublasLtMatmulDesc_t d, const void* alpha, const void* a, cublasLtMatrixLayout_t la, const void* b, cublasLtMatrixLayout_t lb, const void* beta, const void* c,
	cublasLtMatrixLayout_t lc, void* out, cublasLtMatrixLayout_t lout, const cublasLtMatmulAlgo_t* algo, void* workspace, size_t workspaceBytes, cudaStream_t stream) {
	if (auto s = enterLt("cublasLtMatmul")) return s;
	if (!h) return CUBLAS_STATUS_NOT_INITIALIZED;
	Product p;
	if (auto s = checked(*of(d), *of(la), *of(lb), *of(lc), *of(lout), &p)) return s;
	p.alpha = *static_cast<const float*>(alpha);
	p.beta = *static_cast<const float*>(beta);
	p.a = a;
	p.b = b;
	p.c = c;
	p.d = out;
	if (algo) p.order = int(algo->data[0]) - 1;
	if (p.order < 0 || p.order > 15) return CUBLAS_STATUS_INVALID_VALUE;
	size_t biasBytes = p.bias ? size_t(p.m) * (p.cd == Type::f32 ? 4 : 2) : 0;
	auto outside = [](const char* what) {
		say("cublasLtMatmul: %s lies outside the device's allocations", what);
		lose(700, "illegal address");
		return CUBLAS_STATUS_EXECUTION_FAILED;
	};
	if (!owned(a, span(*of(la)))) return outside("A");
	if (!owned(b, span(*of(lb)))) return outside("B");
	if (p.beta != 0 && !owned(c, span(*of(lc)))) return outside("C");
	if (!owned(out, span(*of(lout)))) return outside("D");
	if (!owned(p.bias, biasBytes)) return outside("the bias");
	if (workspaceBytes && !owned(workspace, workspaceBytes)) return outside("the workspace");
	enqueue(stream, [p] { multiply(p); });
	return CUBLAS_STATUS_SUCCESS;
}
