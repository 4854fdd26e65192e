// linear_any: dst = act(src·wᵀ + bias) for any shape; what cuBLAS does not take
// or is not worth its while. Sums run over k in order, one thread a number, so
// that a row's bytes depend on the row alone.

typedef long long i64;

__device__ __forceinline__ float load(const void* p, i64 type, i64 i) {
	return type ? __uint_as_float((unsigned)((const unsigned short*)p)[i] << 16) : ((const float*)p)[i];
}

__device__ __forceinline__ void store(void* p, i64 type, i64 i, float f) {
	if (!type) {
		((float*)p)[i] = f;
		return;
	}
	unsigned u = __float_as_uint(f);
	((unsigned short*)p)[i] = (unsigned short)((u & 0x7fffffffu) > 0x7f800000u ? u >> 16 | 0x40u : (u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

// 256 threads compute 32 rows × 32 columns, four numbers each.
extern "C" __global__ void __launch_bounds__(256) linear_any(void* dst, i64 dst_type, const void* src, i64 src_type, const float* w,
                                                             const float* bias, i64 n, i64 in, i64 out, i64 activation) {
	__shared__ float a[32][33], b[32][33];
	int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
	i64 row0 = blockIdx.x * (i64)32, col0 = blockIdx.y * (i64)32;
	float sum[2][2] = {{0.0f, 0.0f}, {0.0f, 0.0f}};
	for (i64 k0 = 0; k0 < in; k0 += 32) {
		for (int i = threadIdx.x; i < 1024; i += 256) {
			int r = i / 32, k = i % 32;
			a[k][r] = row0 + r < n && k0 + k < in ? load(src, src_type, (row0 + r) * in + k0 + k) : 0.0f;
			b[k][r] = col0 + r < out && k0 + k < in ? w[(col0 + r) * in + k0 + k] : 0.0f;
		}
		__syncthreads();
		for (int k = 0; k < 32; k++) {
			float a0 = a[k][ty], a1 = a[k][ty + 16], b0 = b[k][tx], b1 = b[k][tx + 16];
			sum[0][0] = fmaf(a0, b0, sum[0][0]);
			sum[0][1] = fmaf(a0, b1, sum[0][1]);
			sum[1][0] = fmaf(a1, b0, sum[1][0]);
			sum[1][1] = fmaf(a1, b1, sum[1][1]);
		}
		__syncthreads();
	}
	for (int i = 0; i < 2; i++) {
		for (int j = 0; j < 2; j++) {
			i64 r = row0 + ty + 16 * i, c = col0 + tx + 16 * j;
			if (r >= n || c >= out) continue;
			float v = sum[i][j] + (bias ? bias[c] : 0.0f);
			if (activation == 1) v = fmaxf(v, 0.0f);
			else if (activation == 2) v = v > 0.0f ? v : 0.01f * v;
			else if (activation == 3) v = 1.0f / (1.0f + expf(-v));
			store(dst, dst_type, r * out + c, v);
		}
	}
}
