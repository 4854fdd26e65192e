// attend: multi-head attention over packed cells for any head size up to 256,
// in float32, without tensor cores. What the faster paths do not take.

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

// One block is one work item and one head: item {x: first row of the keys,
// y: how many, z: first row of the queries, w: how many, at most 8}. A warp
// takes one query: keys in rounds of 128, four scores a lane; then each lane
// sums up the values of its columns. launch: attend BM=8 threads=256
// shared=4·8·(head size + 128)
extern "C" __global__ void __launch_bounds__(256) attend(const void* q, i64 ldq, const void* k, const void* v, i64 ldkv, void* out, i64 ldo,
                                                         const int4* work, i64 first, double scale, i64 dim, i64 src_type, i64 q_type, i64 out_type) {
	extern __shared__ float shared[];
	const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
	int4 item = work[first + blockIdx.x];
	if (warp >= item.w) return;
	float* query = shared + warp * (dim + 128);
	float* weight = query + dim;
	i64 column = blockIdx.y * dim;
	i64 row = item.z + warp;
	for (i64 j = lane; j < dim; j += 32) query[j] = load(q, q_type, row * ldq + column + j) * (float)scale;
	__syncwarp();
	float acc[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
	float top = __int_as_float(0xff800000), total = 0.0f;
	for (i64 k0 = 0; k0 < item.y; k0 += 128) {
		float s[4], most = top;
		for (int i = 0; i < 4; i++) {
			i64 key = k0 + i * 32 + lane;
			s[i] = __int_as_float(0xff800000);
			if (key < item.y) {
				i64 at = (item.x + key) * ldkv + column;
				float sum = 0.0f;
				for (i64 j = 0; j < dim; j++) sum = fmaf(query[j], load(k, src_type, at + j), sum);
				s[i] = sum;
			}
			most = fmaxf(most, s[i]);
		}
		for (int o = 16; o > 0; o >>= 1) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, o));
		float keep = expf(top - most);
		top = most;
		total *= keep;
		for (int i = 0; i < 8; i++) acc[i] *= keep;
		for (int i = 0; i < 4; i++) {
			float p = expf(s[i] - most);
			weight[i * 32 + lane] = p;
			total += p;
		}
		__syncwarp();
		i64 keys = item.y - k0 < 128 ? item.y - k0 : 128;
		for (int i = 0; i < 8; i++) {
			if (i * 32 + lane >= dim) break;
			i64 at = (item.x + k0) * ldkv + column + i * 32 + lane;
			for (i64 key = 0; key < keys; key++) acc[i] = fmaf(weight[key], load(v, src_type, at + key * ldkv), acc[i]);
		}
		__syncwarp();
	}
	for (int o = 16; o > 0; o >>= 1) total += __shfl_xor_sync(0xffffffffu, total, o);
	for (int i = 0; i < 8; i++)
		if (i * 32 + lane < dim) store(out, out_type, row * ldo + column + i * 32 + lane, acc[i] / total);
}
