// Operations that read and write each row once: embedding, norms, pooling,
// inner products, activations, conversions.
//
// Parameters are 8 bytes each. A tensor is a pointer and a type: 0 is float32,
// 1 is bfloat16 (stored; every computation is in float32). Each number of a
// result is computed by one thread or one warp in a fixed order, so that it does
// not depend on the rest of the batch.

typedef long long i64;

__device__ __forceinline__ float from_bf16(unsigned short v) { return __uint_as_float((unsigned)v << 16); }

// to_bf16 rounds to the nearest, ties to even.
__device__ __forceinline__ unsigned short to_bf16(float f) {
	unsigned u = __float_as_uint(f);
	if ((u & 0x7fffffffu) > 0x7f800000u) return (unsigned short)(u >> 16 | 0x40u);
	return (unsigned short)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

__device__ __forceinline__ float load(const void* p, i64 type, i64 i) {
	return type ? from_bf16(((const unsigned short*)p)[i]) : ((const float*)p)[i];
}

__device__ __forceinline__ void store(void* p, i64 type, i64 i, float v) {
	if (type) ((unsigned short*)p)[i] = to_bf16(v);
	else ((float*)p)[i] = v;
}

__device__ __forceinline__ float warp_sum(float v) {
	for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
	return v;
}

// load8 and store8 move eight numbers from or to an address that is a multiple
// of 16 bytes.
__device__ __forceinline__ void load8(const float* p, float* x) {
	float4 a = ((const float4*)p)[0], b = ((const float4*)p)[1];
	x[0] = a.x; x[1] = a.y; x[2] = a.z; x[3] = a.w;
	x[4] = b.x; x[5] = b.y; x[6] = b.z; x[7] = b.w;
}

__device__ __forceinline__ void load8(const unsigned short* p, float* x) {
	uint4 a = *(const uint4*)p;
	x[0] = __uint_as_float(a.x << 16); x[1] = __uint_as_float(a.x & 0xffff0000u);
	x[2] = __uint_as_float(a.y << 16); x[3] = __uint_as_float(a.y & 0xffff0000u);
	x[4] = __uint_as_float(a.z << 16); x[5] = __uint_as_float(a.z & 0xffff0000u);
	x[6] = __uint_as_float(a.w << 16); x[7] = __uint_as_float(a.w & 0xffff0000u);
}

__device__ __forceinline__ void store8(float* p, const float* x) {
	float4 a, b;
	a.x = x[0]; a.y = x[1]; a.z = x[2]; a.w = x[3];
	b.x = x[4]; b.y = x[5]; b.z = x[6]; b.w = x[7];
	((float4*)p)[0] = a;
	((float4*)p)[1] = b;
}

__device__ __forceinline__ unsigned pack(float lo, float hi) { return (unsigned)to_bf16(lo) | (unsigned)to_bf16(hi) << 16; }

__device__ __forceinline__ void store8(unsigned short* p, const float* x) {
	uint4 a;
	a.x = pack(x[0], x[1]); a.y = pack(x[2], x[3]);
	a.z = pack(x[4], x[5]); a.w = pack(x[6], x[7]);
	*(uint4*)p = a;
}

__device__ __forceinline__ void load8_any(const void* p, i64 type, i64 i, float* x) {
	if (type) load8((const unsigned short*)p + i, x);
	else load8((const float*)p + i, x);
}

// embed: dst[t] = table[ids[t]], + values[rows[t]] if values is not null,
// · scale[t] if scale is not null. One warp a row.
extern "C" __global__ void embed(void* dst, i64 dst_type, const void* table, i64 table_type, const int* ids,
                                 const void* values, i64 values_type, const int* rows, const float* scale, i64 n, i64 cols) {
	i64 t = blockIdx.x * (i64)(blockDim.x / 32) + threadIdx.x / 32;
	int lane = threadIdx.x % 32;
	if (t >= n) return;
	i64 from = ids[t] * cols, second = values ? rows[t] * cols : 0, to = t * cols;
	float s = scale ? scale[t] : 1.0f;
	if (cols % 8 == 0) {
		for (i64 j = lane * 8; j < cols; j += 256) {
			float x[8], y[8];
			load8_any(table, table_type, from + j, x);
			if (values) {
				load8_any(values, values_type, second + j, y);
				for (int i = 0; i < 8; i++) x[i] += y[i];
			}
			if (scale) for (int i = 0; i < 8; i++) x[i] *= s;
			if (dst_type) store8((unsigned short*)dst + to + j, x);
			else store8((float*)dst + to + j, x);
		}
		return;
	}
	for (i64 j = lane; j < cols; j += 32) {
		float x = load(table, table_type, from + j);
		if (values) x += load(values, values_type, second + j);
		if (scale) x *= s;
		store(dst, dst_type, to + j, x);
	}
}

// addnorm_any: dst = LayerNorm(a + b)·gamma + beta for any width; b may be
// null, dst may be a or b. One warp a row.
extern "C" __global__ void addnorm_any(void* dst, i64 dst_type, const void* a, i64 a_type, const void* b, i64 b_type,
                                       const float* gamma, const float* beta, i64 n, i64 cols, double eps) {
	i64 r = blockIdx.x * (i64)(blockDim.x / 32) + threadIdx.x / 32;
	int lane = threadIdx.x % 32;
	if (r >= n) return;
	i64 at = r * cols;
	float sum = 0.0f;
	for (i64 j = lane; j < cols; j += 32) {
		float x = load(a, a_type, at + j);
		if (b) x += load(b, b_type, at + j);
		sum += x;
	}
	float mean = warp_sum(sum) / (float)cols;
	float squares = 0.0f;
	for (i64 j = lane; j < cols; j += 32) {
		float x = load(a, a_type, at + j);
		if (b) x += load(b, b_type, at + j);
		squares += (x - mean) * (x - mean);
	}
	float inverse = 1.0f / sqrtf(warp_sum(squares) / (float)cols + (float)eps);
	for (i64 j = lane; j < cols; j += 32) {
		float x = load(a, a_type, at + j);
		if (b) x += load(b, b_type, at + j);
		store(dst, dst_type, at + j, (x - mean) * inverse * gamma[j] + beta[j]);
	}
}

// addnorm for rows of 256·V columns, all three tensors of type T: rows stay in
// registers, gamma and beta too. Warps take rows in turn.
template <class T, int V>
__device__ __forceinline__ void addnorm(T* dst, const T* a, const T* b, const float* gamma, const float* beta, i64 n, float eps) {
	int lane = threadIdx.x % 32;
	float g[8 * V], s[8 * V];
	for (int v = 0; v < V; v++) {
		load8(gamma + v * 256 + lane * 8, g + 8 * v);
		load8(beta + v * 256 + lane * 8, s + 8 * v);
	}
	i64 stride = gridDim.x * (i64)(blockDim.x / 32);
	for (i64 r = blockIdx.x * (i64)(blockDim.x / 32) + threadIdx.x / 32; r < n; r += stride) {
		i64 at = r * (256 * V) + lane * 8;
		float x[8 * V];
		for (int v = 0; v < V; v++) load8(a + at + v * 256, x + 8 * v);
		if (b) {
			float y[8 * V];
			for (int v = 0; v < V; v++) load8(b + at + v * 256, y + 8 * v);
			for (int i = 0; i < 8 * V; i++) x[i] += y[i];
		}
		float sum = 0.0f;
		for (int i = 0; i < 8 * V; i++) sum += x[i];
		float mean = warp_sum(sum) * (1.0f / (256 * V));
		float squares = 0.0f;
		for (int i = 0; i < 8 * V; i++) squares += (x[i] - mean) * (x[i] - mean);
		float inverse = 1.0f / sqrtf(warp_sum(squares) * (1.0f / (256 * V)) + eps);
		for (int i = 0; i < 8 * V; i++) x[i] = (x[i] - mean) * inverse * g[i] + s[i];
		for (int v = 0; v < V; v++) store8(dst + at + v * 256, x + 8 * v);
	}
}

#define ADDNORM(name, T, V)                                                                                        \
	extern "C" __global__ void __launch_bounds__(256) name(void* dst, const void* a, const void* b, const float* gamma, \
	                                                       const float* beta, i64 n, double eps) {                  \
		addnorm<T, V>((T*)dst, (const T*)a, (const T*)b, gamma, beta, n, (float)eps);                                \
	}
ADDNORM(addnorm_fp32_256, float, 1)
ADDNORM(addnorm_fp32_512, float, 2)
ADDNORM(addnorm_fp32_768, float, 3)
ADDNORM(addnorm_fp32_1024, float, 4)
ADDNORM(addnorm_bf16_256, unsigned short, 1)
ADDNORM(addnorm_bf16_512, unsigned short, 2)
ADDNORM(addnorm_bf16_768, unsigned short, 3)
ADDNORM(addnorm_bf16_1024, unsigned short, 4)

// normalize: dst = (src - mean)·scale + shift, column by column. dst may be
// src.
extern "C" __global__ void normalize(void* dst, i64 dst_type, const void* src, i64 src_type, const float* mean,
                                     const float* scale, const float* shift, i64 n, i64 cols) {
	i64 i = blockIdx.x * (i64)blockDim.x + threadIdx.x;
	if (i >= n * cols) return;
	i64 j = i % cols;
	store(dst, dst_type, i, (load(src, src_type, i) - mean[j]) * scale[j] + shift[j]);
}

// pool: dst[c] = Σ weights[t]·src[t] over the tokens of cell c, in their order.
// One block a cell, one thread a column.
extern "C" __global__ void pool(void* dst, i64 dst_type, const void* src, i64 src_type, const float* weights, const int* offsets, i64 cols) {
	i64 c = blockIdx.x;
	int from = offsets[c], to = offsets[c + 1];
	for (i64 j = threadIdx.x; j < cols; j += blockDim.x) {
		float sum = 0.0f;
		for (i64 t = from; t < to; t++) sum += weights[t] * load(src, src_type, t * cols + j);
		store(dst, dst_type, c * cols + j, sum);
	}
}

// dot: dst[t] = a[t]·b[c], where c is the cell of token t. One warp a token.
extern "C" __global__ void dot(void* dst, i64 dst_type, const void* a, i64 a_type, const void* b, i64 b_type, const int* offsets,
                               i64 cells, i64 n, i64 cols) {
	i64 t = blockIdx.x * (i64)(blockDim.x / 32) + threadIdx.x / 32;
	int lane = threadIdx.x % 32;
	if (t >= n) return;
	i64 lo = 0, hi = cells; // offsets[lo] <= t < offsets[hi]
	while (hi - lo > 1) {
		i64 mid = (lo + hi) / 2;
		if (offsets[mid] <= t) lo = mid;
		else hi = mid;
	}
	float sum = 0.0f;
	for (i64 j = lane; j < cols; j += 32) sum += load(a, a_type, t * cols + j) * load(b, b_type, lo * cols + j);
	sum = warp_sum(sum);
	if (lane == 0) store(dst, dst_type, t, sum);
}

// activate applies an activation in place; the numbers are compute.Activation's.
extern "C" __global__ void activate(void* x, i64 type, i64 n, i64 activation) {
	i64 i = blockIdx.x * (i64)blockDim.x + threadIdx.x;
	if (i >= n) return;
	float v = load(x, type, i);
	if (activation == 1) v = fmaxf(v, 0.0f);
	else if (activation == 2) v = v > 0.0f ? v : 0.01f * v;
	else if (activation == 3) v = 1.0f / (1.0f + expf(-v));
	store(x, type, i, v);
}

// convert copies between types.
extern "C" __global__ void convert(void* dst, i64 dst_type, const void* src, i64 src_type, i64 n) {
	i64 i = blockIdx.x * (i64)blockDim.x + threadIdx.x;
	if (i < n) store(dst, dst_type, i, load(src, src_type, i));
}

// copy_rows: rows of cols numbers of one type, with leading dimensions.
extern "C" __global__ void copy_rows(void* dst, i64 ldd, const void* src, i64 lds, i64 type, i64 n, i64 cols) {
	i64 i = blockIdx.x * (i64)blockDim.x + threadIdx.x;
	if (i >= n * cols) return;
	i64 r = i / cols, c = i % cols;
	if (type) ((unsigned short*)dst)[r * ldd + c] = ((const unsigned short*)src)[r * lds + c];
	else ((float*)dst)[r * ldd + c] = ((const float*)src)[r * lds + c];
}

// mask_columns fills the columns from keys on with -infinity, in rows of cols
// numbers.
extern "C" __global__ void mask_columns(float* x, i64 rows, i64 cols, i64 keys) {
	i64 i = blockIdx.x * (i64)blockDim.x + threadIdx.x, rest = cols - keys;
	if (i < rows * rest) x[i / rest * cols + keys + i % rest] = __int_as_float(0xff800000);
}
