// One kernel for each stand-in of ptx.h, so that what it does on the simulated
// device can be compared with what the instruction does on a GPU. One warp each;
// lane l reads its words of in and writes its words of out. The functions are the
// kernels' own: on a GPU this text is compiled behind ../kernels/attention.cu.

typedef long long i64;

// 1 word in: bits of x.
extern "C" __global__ void probe_exp2_approx(const unsigned* in, unsigned* out) {
	out[threadIdx.x] = __float_as_uint(exp2_approx(__uint_as_float(in[threadIdx.x])));
}

#if defined(TROUPE_SIMULATION) || __CUDA_ARCH__ >= 800

// 2 words in: lo, hi.
extern "C" __global__ void probe_pack_bf16(const unsigned* in, unsigned* out) {
	const unsigned* x = in + threadIdx.x * 2;
	out[threadIdx.x] = pack_bf16(__uint_as_float(x[0]), __uint_as_float(x[1]));
}

// 4 words in: a row of eight numbers; lane l reads row 31-l. 8 words out: the four
// matrices as they are, then transposed.
extern "C" __global__ void probe_ldmatrix(const unsigned* in, unsigned* out) {
	__shared__ __align__(16) unsigned x[32 * 4];
	for (int i = 0; i < 4; i++) x[threadIdx.x * 4 + i] = in[threadIdx.x * 4 + i];
	__syncwarp();
	unsigned r[4];
	ldmatrix_x4(r, x + (31 - threadIdx.x) * 4);
	for (int i = 0; i < 4; i++) out[threadIdx.x * 8 + i] = r[i];
	ldmatrix_x4_trans(r, x + (31 - threadIdx.x) * 4);
	for (int i = 0; i < 4; i++) out[threadIdx.x * 8 + 4 + i] = r[i];
}

// 10 words in: a, b, d.
extern "C" __global__ void probe_mma_bf16(const unsigned* in, unsigned* out) {
	const unsigned* x = in + threadIdx.x * 10;
	unsigned a[4] = {x[0], x[1], x[2], x[3]};
	float d[4] = {__uint_as_float(x[6]), __uint_as_float(x[7]), __uint_as_float(x[8]), __uint_as_float(x[9])};
	mma_bf16(d, a, x[4], x[5]);
	for (int i = 0; i < 4; i++) out[threadIdx.x * 4 + i] = __float_as_uint(d[i]);
}

extern "C" __global__ void probe_mma_tf32(const unsigned* in, unsigned* out) {
	const unsigned* x = in + threadIdx.x * 10;
	unsigned a[4] = {x[0], x[1], x[2], x[3]};
	float d[4] = {__uint_as_float(x[6]), __uint_as_float(x[7]), __uint_as_float(x[8]), __uint_as_float(x[9])};
	mma_tf32(d, a, x[4], x[5]);
	for (int i = 0; i < 4; i++) out[threadIdx.x * 4 + i] = __float_as_uint(d[i]);
}

// 8 words in, copied in two groups of 4; odd lanes ask for zeros in the second.
// 8 words out: the first group after a wait for all but one, in the order of the
// neighbour's lane, then the second.
extern "C" __global__ void probe_cp_async(const unsigned* in, unsigned* out) {
	__shared__ __align__(16) unsigned x[2][32 * 4];
	for (int i = 0; i < 8; i++) x[i / 4][threadIdx.x * 4 + i % 4] = 0xdeadbeefu;
	__syncwarp();
	cp_async16(x[0] + threadIdx.x * 4, in + threadIdx.x * 8, true);
	cp_async_commit();
	cp_async16(x[1] + threadIdx.x * 4, in + threadIdx.x * 8 + 4, threadIdx.x % 2 == 0);
	cp_async_commit();
	cp_async_wait<1>();
	__syncwarp();
	int neighbour = threadIdx.x ^ 1;
	for (int i = 0; i < 4; i++) out[threadIdx.x * 8 + i] = x[0][neighbour * 4 + i];
	cp_async_wait<0>();
	__syncwarp();
	for (int i = 0; i < 4; i++) out[threadIdx.x * 8 + 4 + i] = x[1][neighbour * 4 + i];
}

#endif

#if defined(TROUPE_SIMULATION) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

// 128 threads. 20 words in: a, then the thread's part of 64 rows of 128 bytes in
// shared memory. 32 words out: the product with columns 16 to 31 of the 64 rows,
// plus the product with rows 16 to 31 of the 64 columns.
extern "C" __global__ void probe_wgmma(const unsigned* in, unsigned* out) {
	extern __shared__ __align__(1024) unsigned rows[];
	const unsigned* x = in + threadIdx.x * 20;
	unsigned a[4] = {x[0], x[1], x[2], x[3]};
	for (int i = 0; i < 16; i++) rows[threadIdx.x * 16 + i] = x[4 + i];
	fence_async();
	__syncthreads();
	float d[8][4];
	for (int i = 0; i < 32; i++) d[i / 4][i % 4] = 1e30f;
	unsigned long long b = matrix_descriptor(shared_address(rows));
	wgmma_fence();
	wgmma_64x64<0>(d, a, b + (32 >> 4), 0);
	wgmma_64x64<1>(d, a, b + (16 * 128 >> 4), 1);
	wgmma_commit();
	wgmma_wait<0>();
	for (int i = 0; i < 32; i++) out[threadIdx.x * 32 + i] = __float_as_uint(d[i / 4][i % 4]);
}

#endif
