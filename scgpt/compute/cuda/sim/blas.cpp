#include "blas.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "block.h"
#include "device.h"

namespace sim {
namespace {

float fromBits(uint32_t u) {
	float f;
	memcpy(&f, &u, 4);
	return f;
}
uint32_t toBits(float f) {
	uint32_t u;
	memcpy(&u, &f, 4);
	return u;
}

float fromBF16(uint16_t v) { return fromBits(uint32_t(v) << 16); }

uint16_t toBF16(float f) {
	if (f != f) return 0x7fff;
	uint32_t u = toBits(f);
	return uint16_t((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

// Tensor cores read the upper 19 bits of a float.
float toTF32(float f) { return fromBits(toBits(f) & 0xffffe000); }

float load(const void* p, long i, Type t) {
	return t == Type::f32 ? static_cast<const float*>(p)[i] : fromBF16(static_cast<const uint16_t*>(p)[i]);
}

// pack writes the rows of op(X)ᵀ, or of op(X), with k contiguous.
std::vector<float> pack(const void* p, long ld, bool kContiguous, long rows, long k, Type t, bool tf32) {
	std::vector<float> x(size_t(rows) * size_t(k));
	for (long r = 0; r < rows; r++) {
		for (long l = 0; l < k; l++) {
			float v = load(p, kContiguous ? l + r * ld : r + l * ld, t);
			x[size_t(r * k + l)] = tf32 ? toTF32(v) : v;
		}
	}
	return x;
}

constexpr int width = 16;

// dot sums in sixteen parts, which it adds up beginning with start.
float dot(const float* a, const float* b, long k, int start) {
	float s[width] = {};
	long l = 0;
	for (; l + width <= k; l += width) {
		for (int i = 0; i < width; i++) s[i] += a[l + i] * b[l + i];
	}
	for (int i = 0; l < k; l++, i++) s[i] += a[l] * b[l];
	float sum = 0;
	for (int i = 0; i < width; i++) sum += s[(start + i) % width];
	return sum;
}

struct Work {
	const Product* p;
	std::vector<float> a, b;
};

void column(void* arg, uint64_t j) {
	auto& w = *static_cast<Work*>(arg);
	auto& p = *w.p;
	for (long i = 0; i < p.m; i++) {
		float v = p.alpha * dot(&w.a[size_t(i * p.k)], &w.b[j * uint64_t(p.k)], p.k, p.order);
		if (p.beta != 0) v += p.beta * load(p.c, i + long(j) * p.ldc, p.cd);
		if (p.bias) v += load(p.bias, i, p.cd);
		if (p.relu) v = v > 0 ? v : 0;
		long at = i + long(j) * p.ldd;
		if (p.cd == Type::f32) {
			static_cast<float*>(p.d)[at] = v;
		} else {
			static_cast<uint16_t*>(p.d)[at] = toBF16(v);
		}
	}
}

} // namespace

void multiply(const Product& p) {
	if (p.m == 0 || p.n == 0) return;
	Work w{&p, pack(p.a, p.lda, p.transA, p.m, p.k, p.ab, p.tf32), pack(p.b, p.ldb, !p.transB, p.n, p.k, p.ab, p.tf32)};
	if (p.m * p.n * p.k < 20000) {
		for (long j = 0; j < p.n; j++) column(&w, uint64_t(j));
	} else {
		parallel(uint64_t(p.n), column, &w);
	}
}

} // namespace sim
