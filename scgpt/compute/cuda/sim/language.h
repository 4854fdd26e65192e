// The part of CUDA C++ that the kernels use, for a C++ compiler. Kernel sources
// are compiled behind this file and ptx.h, unchanged but for their
// "extern __shared__" (see build.sh).
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "block.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
// Each worker thread runs one block at a time.
#define __shared__ static thread_local
#define SIM_DYNAMIC_SHARED(type) reinterpret_cast<type*>(sim::current.dynamicShared)

#define threadIdx (sim::current.threadIdx)
#define blockIdx (sim::current.blockIdx)
#define blockDim (sim::current.blockDim)
#define gridDim (sim::current.gridDim)
constexpr int warpSize = 32;

#define SIM_VECTOR(T, name, align2, align4)                                                            \
	struct alignas(align2) name##2 { T x, y; };                                                        \
	struct name##3 { T x, y, z; };                                                                     \
	struct alignas(align4) name##4 { T x, y, z, w; };                                                  \
	static inline name##2 make_##name##2(T x, T y) { return {x, y}; }                                  \
	static inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                          \
	static inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
using uint = unsigned;
using uchar = unsigned char;
using ushort = unsigned short;
SIM_VECTOR(float, float, 8, 16)
SIM_VECTOR(int, int, 8, 16)
SIM_VECTOR(unsigned, uint, 8, 16)
SIM_VECTOR(short, short, 4, 8)
SIM_VECTOR(unsigned short, ushort, 4, 8)
SIM_VECTOR(long long, longlong, 16, 16)
SIM_VECTOR(double, double, 16, 16)
#undef SIM_VECTOR

template <class To, class From> static inline To sim_bits(From v) {
	static_assert(sizeof(To) == sizeof(From));
	To r;
	memcpy(&r, &v, sizeof r);
	return r;
}
static inline unsigned __float_as_uint(float v) { return sim_bits<unsigned>(v); }
static inline int __float_as_int(float v) { return sim_bits<int>(v); }
static inline float __uint_as_float(unsigned v) { return sim_bits<float>(v); }
static inline float __int_as_float(int v) { return sim_bits<float>(v); }

template <class T> static inline T __ldg(const T* p) { return *p; }
static inline float rsqrtf(float x) { return 1 / sqrtf(x); }
#define __expf(x) expf(x) // the name is taken in libm
static inline float __fdividef(float x, float y) { return x / y; }
static inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
static inline float __fadd_rn(float x, float y) { return x + y; }
static inline float __fmul_rn(float x, float y) { return x * y; }
static inline float __fdiv_rn(float x, float y) { return x / y; }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __clz(int x) { return x ? __builtin_clz(unsigned(x)) : 32; }
#define SIM_MINMAX(T)                                           \
	static inline T min(T a, T b) { return b < a ? b : a; }     \
	static inline T max(T a, T b) { return a < b ? b : a; }
SIM_MINMAX(int)
SIM_MINMAX(unsigned)
SIM_MINMAX(long)
SIM_MINMAX(long long)
SIM_MINMAX(unsigned long)
SIM_MINMAX(unsigned long long)
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
#undef SIM_MINMAX

static inline void __syncthreads() { sim::barrier(); }
static inline void __syncwarp(unsigned mask = ~0u) {
	char nothing;
	sim::collective(mask, [](void* const*) {}, &nothing);
}
static inline void __threadfence() {}
static inline void __threadfence_block() {}
[[noreturn]] static inline void __trap() { sim::fault(719, "__trap"); }

namespace sim {

struct Shuffle {
	uint64_t value, result;
	int from; // lane
};

inline void shuffleExchange(void* const lanes[32]) {
	for (unsigned l = 0; l < 32; l++) {
		if (!lanes[l]) continue;
		auto* s = static_cast<Shuffle*>(lanes[l]);
		// What comes from a lane that takes no part is undefined: NaN.
		s->result = lanes[s->from] ? static_cast<Shuffle*>(lanes[s->from])->value : ~uint64_t(0);
	}
}

template <class T> T shuffle(unsigned mask, T v, int from) {
	static_assert(sizeof(T) == 4 || sizeof(T) == 8);
	Shuffle s{0, 0, from};
	memcpy(&s.value, &v, sizeof v);
	collective(mask, shuffleExchange, &s);
	memcpy(&v, &s.result, sizeof v);
	return v;
}

struct Vote {
	bool mine;
	unsigned result;
};

inline void voteExchange(void* const lanes[32]) {
	unsigned r = 0;
	for (unsigned l = 0; l < 32; l++) {
		if (lanes[l] && static_cast<Vote*>(lanes[l])->mine) r |= 1u << l;
	}
	for (unsigned l = 0; l < 32; l++) {
		if (lanes[l]) static_cast<Vote*>(lanes[l])->result = r;
	}
}

} // namespace sim

static inline unsigned __ballot_sync(unsigned mask, int v) {
	sim::Vote x{v != 0, 0};
	sim::collective(mask, sim::voteExchange, &x);
	return x.result;
}
static inline int __any_sync(unsigned mask, int v) { return __ballot_sync(mask, v) != 0; }
static inline int __all_sync(unsigned mask, int v) { return __ballot_sync(mask, !v) == 0; }

template <class T> static inline T __shfl_sync(unsigned mask, T v, int src, int width = 32) {
	int lane = int(sim::current.lane);
	return sim::shuffle(mask, v, (lane & -width) | (src & (width - 1)));
}
template <class T> static inline T __shfl_xor_sync(unsigned mask, T v, int x, int width = 32) {
	int lane = int(sim::current.lane), from = lane ^ x;
	return sim::shuffle(mask, v, (from & -width) > (lane & -width) ? lane : from);
}
template <class T> static inline T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32) {
	int lane = int(sim::current.lane), from = lane + int(delta);
	return sim::shuffle(mask, v, (from & -width) != (lane & -width) ? lane : from);
}
template <class T> static inline T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32) {
	int lane = int(sim::current.lane), from = lane - int(delta);
	return sim::shuffle(mask, v, from < (lane & -width) ? lane : from);
}

namespace sim {

// Registration of kernels: parameters are passed as 8 bytes each.
template <auto F> struct Trampoline;
template <class... A, void (*F)(A...)> struct Trampoline<F> {
	static_assert(((sizeof(A) == 8) && ...), "a kernel's parameters are 8 bytes each: pointers, long long, double");
	static constexpr unsigned params = sizeof...(A);
	template <size_t... I> static void expand(const uint64_t* p, std::index_sequence<I...>) { F(*reinterpret_cast<const A*>(p + I)...); }
	static void call(const uint64_t* p) { expand(p, std::make_index_sequence<params>()); }
};

struct Registration {
	Kernel kernel;
	Registration(const char* name, void (*call)(const uint64_t*), unsigned params) : kernel{name, call, params} { registerKernel(&kernel); }
};
#define SIM_REGISTER(name) \
	static sim::Registration sim_registration_##name(#name, sim::Trampoline<&name>::call, sim::Trampoline<&name>::params);

} // namespace sim
