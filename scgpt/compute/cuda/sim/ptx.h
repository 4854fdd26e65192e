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

static inline void cp_async16(void* shared, const void* global, bool valid) { sim::copyAsync(shared, global, 16, valid ? 16 : 0); }
static inline void cp_async_commit() { sim::copies().commit(); }
template <int N> static inline void cp_async_wait() { sim::copies().wait(N); }

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

// --- wgmma, for the 16 rows of one warp

struct GroupMultiply {
	float* d;
	const unsigned* a;
	unsigned long long b;
	int scale;
	char* shared;
};

// A matrix of rows of 128 bytes in groups of eight, whose 16-byte chunks are
// permuted by the row's place in its group (PTX ISA, "Matrix Descriptor",
// swizzling mode 1). Where the descriptor begins within a row, the permutation
// still goes by the address.
template <bool TRANS> void wgmmaExchange(void* const lanes[32]) {
	static thread_local float a[16][16], b[16][64];
	float d[16][64];
	auto& first = *static_cast<GroupMultiply*>(lanes[0]);
	unsigned start = unsigned(first.b & 0x3fff) << 4, group = unsigned(first.b >> 32 & 0x3fff) << 4;
	if (first.b >> 62 != 1) fault(719, "wgmma: swizzling mode %d is not simulated", int(first.b >> 62));
	for (int k = 0; k < 16; k++) {
		for (int n = 0; n < 64; n++) {
			unsigned row = unsigned(TRANS ? k : n), column = unsigned(TRANS ? n : k);
			unsigned at = start + row / 8 * group + row % 8 * 128 + column * 2;
			at ^= at >> 3 & 0x70;
			uint16_t v;
			memcpy(&v, first.shared + at, 2);
			b[k][n] = floatOf(uint32_t(v) << 16);
		}
	}
	for (int l = 0; l < 32; l++) {
		auto& x = *static_cast<GroupMultiply*>(lanes[l]);
		if (x.b != first.b || x.scale != first.scale) fault(719, "wgmma: the lanes give different descriptors");
		int g = l / 4, t = l % 4 * 2;
		for (int i = 0; i < 4; i++) {
			a[g + i % 2 * 8][t + i / 2 * 8] = floatOf(x.a[i] << 16);
			a[g + i % 2 * 8][t + i / 2 * 8 + 1] = floatOf(x.a[i] & 0xffff0000u);
		}
		for (int n = 0; n < 8; n++) {
			for (int i = 0; i < 4; i++) d[g + i / 2 * 8][n * 8 + t + i % 2] = x.scale ? x.d[n * 4 + i] : 0;
		}
	}
	for (int i = 0; i < 16; i++) {
		float sum[64] = {};
		for (int k = 0; k < 16; k++) {
			for (int n = 0; n < 64; n++) sum[n] += a[i][k] * b[k][n];
		}
		for (int n = 0; n < 64; n++) d[i][n] += sum[n];
	}
	for (int l = 0; l < 32; l++) {
		int g = l / 4, t = l % 4 * 2;
		for (int n = 0; n < 8; n++) {
			for (int i = 0; i < 4; i++) static_cast<GroupMultiply*>(lanes[l])->d[n * 4 + i] = d[g + i / 2 * 8][n * 8 + t + i % 2];
		}
	}
}

} // namespace sim

// Addresses in shared memory count from the beginning of the dynamic part.
static inline unsigned shared_address(const void* p) { return unsigned(static_cast<const char*>(p) - sim::current.dynamicShared); }

template <int TRANS> static inline void wgmma_64x64(float (&d)[8][4], const unsigned (&a)[4], unsigned long long b, int scale_d) {
	sim::GroupMultiply x{d[0], a, b, scale_d, sim::current.dynamicShared};
	sim::products().issue([x]() mutable { sim::collective(~0u, sim::wgmmaExchange<TRANS != 0>, &x); });
}
static inline void wgmma_fence() {}
static inline void wgmma_commit() { sim::products().commit(); }
template <int N> static inline void wgmma_wait() { sim::products().wait(N); }
static inline void fence_async() {}
template <int N> static inline void pin(float (&)[N][4]) {}

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

static inline float exp2_approx(float x) {
	float r = exp2f(x);
	return r < 0x1p-126f ? 0 : r;
}
