// The matrix product behind the simulated cuBLAS and cuBLASLt.
#pragma once
#include <cstdint>

namespace sim {

enum class Type { f32, bf16 };

// Column-major C = alpha·op(A)·op(B) + beta·C with an epilogue, like cuBLAS.
struct Product {
	bool transA, transB;
	long m, n, k;
	float alpha, beta;
	const void* a;
	long lda;
	const void* b;
	long ldb;
	const void* c; // may be d
	long ldc;
	void* d;
	long ldd;
	Type ab, cd;
	bool tf32; // round float factors to 10 bits of mantissa, as the tensor cores do
	const void* bias; // one number per row of C, of the type of C; or null
	bool relu;
	int order; // in which the terms are added up, from 0 to 15
};

// orderFor is what stands for cuBLAS' choice of a kernel: it differs between
// shapes, so that a caller who wants the same bytes must give the same shape, or,
// to cuBLASLt, the same algorithm.
inline int orderFor(long m, long n) { return int((m * 7 + n * 5) % 16); }

// multiply adds up in float32.
__attribute__((visibility("default"))) void multiply(const Product&);

} // namespace sim
