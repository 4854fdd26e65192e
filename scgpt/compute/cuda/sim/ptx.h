// Stand-ins for the PTX instructions that the kernels use: the same functions
// that the kernels define around inline assembly where TROUPE_SIMULATION is not
// defined, with the same fragments (PTX ISA, "Matrix Fragments for mma.m16n8k16"
// and "mma.m16n8k8"). What is verified against a GPU stands in README.md.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "block.h"

// --- cp.async

static inline void cp_async16(void* shared, const void* global, bool valid) { sim::asyncCopy(shared, global, 16, valid ? 16 : 0); }
static inline void cp_async_commit() { sim::asyncCommit(); }
template <int N> static inline void cp_async_wait() { sim::asyncWait(N); }

namespace sim {

inline float floatOf(uint32_t u) {
	float f;
	memcpy(&f, &u, 4);
	return f;
}
inline uint32_t bitsOf(float f) {
	uint32_t u;
	memcpy(&u, &f, 4);
	return u;
}

// --- ldmatrix

struct LoadMatrix {
	const uint16_t* row;
	unsigned* r;
};

// Lane 8·m+i has the address of row i of matrix m. Lane l gets two numbers of each
// matrix: of row l/4, numbers 2·(l%4) and the next.
template <bool TRANS> void ldmatrixExchange(void* const lanes[32]) {
	uint16_t x[4][8][8];
	for (int l = 0; l < 32; l++) memcpy(x[l / 8][l % 8], static_cast<LoadMatrix*>(lanes[l])->row, 16);
	for (int l = 0; l < 32; l++) {
		for (int m = 0; m < 4; m++) {
			int i = l / 4, j = l % 4 * 2;
			uint16_t lo = TRANS ? x[m][j][i] : x[m][i][j], hi = TRANS ? x[m][j + 1][i] : x[m][i][j + 1];
			static_cast<LoadMatrix*>(lanes[l])->r[m] = lo | uint32_t(hi) << 16;
		}
	}
}

template <bool TRANS> void ldmatrix(unsigned (&r)[4], const void* row) {
	if (reinterpret_cast<uintptr_t>(row) % 16) fault(716, "ldmatrix from an address that is not a multiple of 16");
	LoadMatrix x{static_cast<const uint16_t*>(row), r};
	collective(~0u, ldmatrixExchange<TRANS>, &x);
}

// --- mma.sync

struct Multiply {
	float* d;
	const unsigned* a;
	unsigned b0, b1;
};

// m16n8k16, bf16: two numbers in each register of a and b.
inline void mmaBF16Exchange(void* const lanes[32]) {
	float a[16][16], b[8][16], d[16][8]; // b transposed
	for (int l = 0; l < 32; l++) {
		auto& x = *static_cast<Multiply*>(lanes[l]);
		int g = l / 4, t = l % 4 * 2;
		for (int i = 0; i < 4; i++) { // rows g and g+8, columns t and t+8
			a[g + i % 2 * 8][t + i / 2 * 8] = floatOf(x.a[i] << 16);
			a[g + i % 2 * 8][t + i / 2 * 8 + 1] = floatOf(x.a[i] & 0xffff0000u);
		}
		b[g][t] = floatOf(x.b0 << 16);
		b[g][t + 1] = floatOf(x.b0 & 0xffff0000u);
		b[g][t + 8] = floatOf(x.b1 << 16);
		b[g][t + 9] = floatOf(x.b1 & 0xffff0000u);
		for (int i = 0; i < 4; i++) d[g + i / 2 * 8][t + i % 2] = x.d[i];
	}
	for (int i = 0; i < 16; i++) {
		for (int j = 0; j < 8; j++) {
			float sum = 0;
			for (int k = 0; k < 16; k++) sum += a[i][k] * b[j][k];
			d[i][j] += sum;
		}
	}
	for (int l = 0; l < 32; l++) {
		int g = l / 4, t = l % 4 * 2;
		for (int i = 0; i < 4; i++) static_cast<Multiply*>(lanes[l])->d[i] = d[g + i / 2 * 8][t + i % 2];
	}
}

// m16n8k8, tf32: of each register the upper 19 bits count.
inline void mmaTF32Exchange(void* const lanes[32]) {
	float a[16][8], b[8][8], d[16][8]; // b transposed
	auto tf32 = [](unsigned u) { return floatOf(u & 0xffffe000u); };
	for (int l = 0; l < 32; l++) {
		auto& x = *static_cast<Multiply*>(lanes[l]);
		int g = l / 4, t = l % 4;
		for (int i = 0; i < 4; i++) a[g + i % 2 * 8][t + i / 2 * 4] = tf32(x.a[i]);
		b[g][t] = tf32(x.b0);
		b[g][t + 4] = tf32(x.b1);
		for (int i = 0; i < 4; i++) d[g + i / 2 * 8][t * 2 + i % 2] = x.d[i];
	}
	for (int i = 0; i < 16; i++) {
		for (int j = 0; j < 8; j++) {
			float sum = 0;
			for (int k = 0; k < 8; k++) sum += a[i][k] * b[j][k];
			d[i][j] += sum;
		}
	}
	for (int l = 0; l < 32; l++) {
		int g = l / 4, t = l % 4 * 2;
		for (int i = 0; i < 4; i++) static_cast<Multiply*>(lanes[l])->d[i] = d[g + i / 2 * 8][t + i % 2];
	}
}

} // namespace sim

static inline void ldmatrix_x4(unsigned (&r)[4], const void* row) { sim::ldmatrix<false>(r, row); }
static inline void ldmatrix_x4_trans(unsigned (&r)[4], const void* row) { sim::ldmatrix<true>(r, row); }

static inline void mma_bf16(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
	sim::Multiply x{d, a, b0, b1};
	sim::collective(~0u, sim::mmaBF16Exchange, &x);
}
static inline void mma_tf32(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
	sim::Multiply x{d, a, b0, b1};
	sim::collective(~0u, sim::mmaTF32Exchange, &x);
}

// --- conversions and functions

// To the nearest, ties to even; lo in the lower half.
static inline unsigned pack_bf16(float lo, float hi) {
	auto round = [](float f) -> unsigned {
		if (std::isnan(f)) return 0x7fff;
		uint32_t u = sim::bitsOf(f);
		return (u + 0x7fff + (u >> 16 & 1)) >> 16;
	};
	return round(lo) | round(hi) << 16;
}

// To the nearest of 10 bits, ties away from zero.
static inline unsigned round_tf32(float f) {
	uint32_t u = sim::bitsOf(f);
	return std::isnan(f) || std::isinf(f) ? u : (u + 0x1000) & 0xffffe000u;
}

static inline float exp2_approx(float x) {
	float r = exp2f(x);
	return r < 0x1p-126f ? 0 : r;
}
