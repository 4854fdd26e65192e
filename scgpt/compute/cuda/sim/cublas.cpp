// libcublas: the calls that the device and gorgonia.org/cu make.
#include "cuda_types.h"

#include <cublas_v2.h>

#include <cstring>

#include "blas.h"
#include "device.h"

using namespace sim;

struct cublasContext {
	void* stream = nullptr;
	int math = 0;
};

#define API extern "C" __attribute__((visibility("default"))) cublasStatus_t CUBLASWINAPI

static cublasStatus_t enterBlas(const char* call) { return static_cast<cublasStatus_t>(enter(call)); }

API cublasCreate_v2(cublasHandle_t* h) {
	if (auto s = enterBlas("cublasCreate")) return s;
	*h = new cublasContext;
	opened("cuBLAS handles");
	return CUBLAS_STATUS_SUCCESS;
}

API cublasDestroy_v2(cublasHandle_t h) {
	if (!h) return CUBLAS_STATUS_NOT_INITIALIZED;
	delete h;
	closed("cuBLAS handles");
	return CUBLAS_STATUS_SUCCESS;
}

API cublasSetStream_v2(cublasHandle_t h, cudaStream_t s) {
	h->stream = s;
	return enterBlas("cublasSetStream");
}
API cublasGetStream_v2(cublasHandle_t h, cudaStream_t* s) {
	*s = static_cast<cudaStream_t>(h->stream);
	return enterBlas("cublasGetStream");
}
API cublasSetWorkspace_v2(cublasHandle_t, void* p, size_t n) {
	if (n && !owned(p, n)) return CUBLAS_STATUS_INVALID_VALUE;
	return enterBlas("cublasSetWorkspace");
}
API cublasSetMathMode(cublasHandle_t h, cublasMath_t m) {
	h->math = m;
	return enterBlas("cublasSetMathMode");
}
API cublasGetMathMode(cublasHandle_t h, cublasMath_t* m) {
	*m = static_cast<cublasMath_t>(h->math);
	return enterBlas("cublasGetMathMode");
}
API cublasSetAtomicsMode(cublasHandle_t, cublasAtomicsMode_t) { return enterBlas("cublasSetAtomicsMode"); }
API cublasGetVersion_v2(cublasHandle_t, int* v) {
	*v = CUBLAS_VERSION;
	return enterBlas("cublasGetVersion");
}
API cublasSetPointerMode_v2(cublasHandle_t, cublasPointerMode_t m) {
	return m == CUBLAS_POINTER_MODE_HOST ? enterBlas("cublasSetPointerMode") : CUBLAS_STATUS_NOT_SUPPORTED;
}
API cublasGetPointerMode_v2(cublasHandle_t, cublasPointerMode_t* m) {
	*m = CUBLAS_POINTER_MODE_HOST;
	return enterBlas("cublasGetPointerMode");
}

static bool typeOf(cudaDataType t, Type* out) {
	*out = t == CUDA_R_16BF ? Type::bf16 : Type::f32;
	return t == CUDA_R_16BF || t == CUDA_R_32F;
}

static size_t bytes(Type t) { return t == Type::f32 ? 4 : 2; }

// span is the bytes from the first to the last number of a matrix.
static size_t span(long rows, long cols, long ld, Type t) { return rows && cols ? size_t((cols - 1) * ld + rows) * bytes(t) : 0; }

static cublasStatus_t batched(cublasHandle_t h, const char* call, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k, float alpha, const void* a, cudaDataType at, int lda,
	long long sa, const void* b, cudaDataType bt, int ldb, long long sb, float beta, void* c, cudaDataType ct, int ldc, long long sc, int count, bool tf32) {
	if (auto s = enterBlas(call)) return s;
	if (!h) return CUBLAS_STATUS_NOT_INITIALIZED;
	Type ab, bb, cc;
	if (!typeOf(at, &ab) || !typeOf(bt, &bb) || !typeOf(ct, &cc) || ab != bb || (ab == Type::f32 && cc != ab)) return CUBLAS_STATUS_NOT_SUPPORTED;
	if (ta == CUBLAS_OP_C) ta = CUBLAS_OP_T;
	if (tb == CUBLAS_OP_C) tb = CUBLAS_OP_T;
	long rowsA = ta ? k : m, colsA = ta ? m : k, rowsB = tb ? n : k, colsB = tb ? k : n;
	if (m < 0 || n < 0 || k < 0 || count < 0 || lda < rowsA || ldb < rowsB || ldc < m) return CUBLAS_STATUS_INVALID_VALUE;
	for (int i = 0; i < count && m && n; i++) {
		auto at = [i](const void* p, long long stride, Type t) { return static_cast<const char*>(p) + i * stride * long(bytes(t)); };
		Product p{ta != 0, tb != 0, m, n, k, alpha, beta, at(a, sa, ab), lda, at(b, sb, ab), ldb, at(c, sc, cc), ldc, const_cast<char*>(at(c, sc, cc)), ldc, ab, cc, tf32 && ab == Type::f32, nullptr, false, orderFor(m, n)};
		if (!owned(p.a, span(rowsA, colsA, lda, ab)) || !owned(p.b, span(rowsB, colsB, ldb, ab)) || !owned(p.d, span(m, n, ldc, cc))) {
			say("%s: matrix %d of %d lies outside the device's allocations", call, i, count);
			lose(700, "illegal address");
			return CUBLAS_STATUS_EXECUTION_FAILED;
		}
		enqueue(h->stream, [p] { multiply(p); });
	}
	return CUBLAS_STATUS_SUCCESS;
}

API cublasSgemm_v2(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k, const float* alpha, const float* a, int lda, const float* b, int ldb, const float* beta, float* c,
	int ldc) {
	return batched(h, "cublasSgemm", ta, tb, m, n, k, *alpha, a, CUDA_R_32F, lda, 0, b, CUDA_R_32F, ldb, 0, *beta, c, CUDA_R_32F, ldc, 0, 1, h && h->math == CUBLAS_TF32_TENSOR_OP_MATH);
}

API cublasSgemmStridedBatched(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k, const float* alpha, const float* a, int lda, long long sa, const float* b, int ldb,
	long long sb, const float* beta, float* c, int ldc, long long sc, int count) {
	return batched(h, "cublasSgemmStridedBatched", ta, tb, m, n, k, *alpha, a, CUDA_R_32F, lda, sa, b, CUDA_R_32F, ldb, sb, *beta, c, CUDA_R_32F, ldc, sc, count,
		h && h->math == CUBLAS_TF32_TENSOR_OP_MATH);
}

API cublasGemmStridedBatchedEx(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k, const void* alpha, const void* a, cudaDataType at, int lda, long long sa,
	const void* b, cudaDataType bt, int ldb, long long sb, const void* beta, void* c, cudaDataType ct, int ldc, long long sc, int count, cublasComputeType_t compute, cublasGemmAlgo_t) {
	if (compute != CUBLAS_COMPUTE_32F && compute != CUBLAS_COMPUTE_32F_FAST_TF32 && compute != CUBLAS_COMPUTE_32F_PEDANTIC) return CUBLAS_STATUS_NOT_SUPPORTED;
	return batched(h, "cublasGemmStridedBatchedEx", ta, tb, m, n, k, *static_cast<const float*>(alpha), a, at, lda, sa, b, bt, ldb, sb, *static_cast<const float*>(beta), c, ct, ldc, sc, count,
		compute == CUBLAS_COMPUTE_32F_FAST_TF32);
}

API cublasGemmEx(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k, const void* alpha, const void* a, cudaDataType at, int lda, const void* b, cudaDataType bt, int ldb,
	const void* beta, void* c, cudaDataType ct, int ldc, cublasComputeType_t compute, cublasGemmAlgo_t algo) {
	return cublasGemmStridedBatchedEx(h, ta, tb, m, n, k, alpha, a, at, lda, 0, b, bt, ldb, 0, beta, c, ct, ldc, 0, 1, compute, algo);
}

extern "C" __attribute__((visibility("default"))) const char* cublasGetStatusString(cublasStatus_t s) { return s ? "a cuBLAS failure" : "success"; }
extern "C" __attribute__((visibility("default"))) const char* cublasGetStatusName(cublasStatus_t s) { return s ? "CUBLAS_STATUS_FAILURE" : "CUBLAS_STATUS_SUCCESS"; }
