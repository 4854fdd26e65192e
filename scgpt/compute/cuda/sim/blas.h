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
};

// multiply adds up in float32, each number in an order that is fixed by the
// shape alone, and differs between shapes: as cuBLAS chooses kernels by shape,
// so a caller who wants the same bytes must give it the same shape.
__attribute__((visibility("default"))) void multiply(const Product&);

} // namespace sim
