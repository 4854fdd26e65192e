// attention: multi-head self-attention over packed cells, fused: scores and
// weights never leave the chip.
//
// The scheme is FlashAttention-2 (Dao 2023, arXiv:2307.08691): a block takes a run
// of queries of one cell and one head and goes over the cell's keys tile by tile,
// with the softmax kept up as it goes (Milakov & Gimelshein 2018,
// arXiv:1805.02867). A row of the result is computed from its own query and its
// cell's keys and values in a fixed order: its bytes depend on nothing else.
//
// Every kernel has the parameters
//   q, ldq        queries: row r of head h is q[r·ldq + h·HD …]; ld in elements
//   k, v, ldkv    keys and values, likewise
//   out, ldo      the result, likewise
//   work, first   int4 {first row of the keys, number of keys, first row of the
//                 queries, number of queries}; block (x, h) takes work[first + x]
//   scale         factor of the scores, 1/√HD
// Bases and rows are multiples of 16 bytes. Names end in the storage and the head
// size HD. -DHEAD_DIM=n compiles that size alone.
//
// launch: attention_bf16_{16,32,64} BM=128 threads=128, _128 BM=64 threads=128; shared = 512·HD
// launch: attention_tf32_{16,32,64} BM=128 threads=128, _128 BM=64 threads=128; shared = 512·HD + 5120
// launch: attention_fp32_{16,32,64,128} BM=64 threads=256; shared = 256·(max(HD, 64) + 4) + 512·(HD + 4)
// launch: attention_wgmma_64 BM=128 threads=256 shared=65536

typedef long long i64;

#if defined(TROUPE_SIMULATION) || __CUDA_ARCH__ >= 800
#define TENSOR_CORES 1
#endif
// Hopper's own instructions: compiled for compute_90a only.
#if defined(TROUPE_SIMULATION) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define WARPGROUPS 1
#endif

#ifndef TROUPE_SIMULATION // which has these as C++

__device__ __forceinline__ unsigned shared_address(const void* p) { return (unsigned)__cvta_generic_to_shared(p); }

#ifdef TENSOR_CORES

// cp_async16 starts the copy of 16 bytes into shared memory, zeros where !valid.
__device__ __forceinline__ void cp_async16(void* shared, const void* global, bool valid) {
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(valid ? 16 : 0) : "memory");
}

__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// cp_async_wait waits until at most N groups of this thread are under way.
template <int N> __device__ __forceinline__ void cp_async_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }

// ldmatrix_x4 loads four matrices of 8 × 8 bf16; lane l has the address of row
// l%8 of matrix l/8 and gets elements 2·(l%4) and the next of row l/4 of each.
__device__ __forceinline__ void ldmatrix_x4(unsigned (&r)[4], const void* row) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}

// ldmatrix_x4_trans gives each matrix transposed.
__device__ __forceinline__ void ldmatrix_x4_trans(unsigned (&r)[4], const void* row) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}

// mma_bf16 is d += a·b for a of 16 × 16 and b of 16 × 8 bf16. With g = lane/4 and
// t = lane%4, a holds (row, columns) (g, 2t 2t+1), (g+8, same), (g, 2t+8 2t+9),
// (g+8, same); b (rows, column) (2t 2t+1, g), (2t+8 2t+9, g); d (g, 2t), (g, 2t+1),
// (g+8, 2t), (g+8, 2t+1).
__device__ __forceinline__ void mma_bf16(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
	asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
	             : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
	             : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// mma_tf32 is d += a·b for a of 16 × 8 and b of 8 × 8 tf32: a holds (g, t),
// (g+8, t), (g, t+4), (g+8, t+4), b (t, g), (t+4, g), d as in mma_bf16.
__device__ __forceinline__ void mma_tf32(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
	asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
	             : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
	             : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// pack_bf16 rounds two floats to bf16, lo in the lower half.
__device__ __forceinline__ unsigned pack_bf16(float lo, float hi) {
	unsigned r;
	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
	return r;
}

#else // before compute capability 8.0 a copy is a load and a store

__device__ __forceinline__ void cp_async16(void* shared, const void* global, bool valid) {
	*(uint4*)shared = valid ? *(const uint4*)global : make_uint4(0, 0, 0, 0);
}
__device__ __forceinline__ void cp_async_commit() {}
template <int N> __device__ __forceinline__ void cp_async_wait() {}

#endif

#ifdef WARPGROUPS

// wgmma_64x64 starts d += a·b for the 64 rows of a warpgroup's four warps: a of
// 64 × 16 bf16 in registers, b of 16 × 64 bf16 in shared memory. Warp w has rows
// 16·w to 16·w+15; a and, for each 8 columns, d are as in mma_bf16. The
// descriptor b is matrix_descriptor's; TRANS: 1 if b's rows lie in memory one
// after another, 0 if its columns do. scale_d is 0 to begin with d = 0.
template <int TRANS> __device__ __forceinline__ void wgmma_64x64(float (&d)[8][4], const unsigned (&a)[4], unsigned long long b, int scale_d) {
	asm volatile("{\n"
	             ".reg .pred p;\n"
	             "setp.ne.b32 p, %37, 0;\n"
	             "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
	             "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
	             "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
	             "{%32, %33, %34, %35}, %36, p, 1, 1, %38;\n"
	             "}\n"
	             : "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]),
	               "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]), "+f"(d[3][3]),
	               "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]),
	               "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3])
	             : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(scale_d), "n"(TRANS));
}

// wgmma_fence orders what was written to registers before the products that use
// them; wgmma_commit ends a group of products, wgmma_wait waits until at most N
// groups are under way.
__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int N> __device__ __forceinline__ void wgmma_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory"); }

// pin keeps the compiler from moving what computes x behind what follows.
template <int N> __device__ __forceinline__ void pin(float (&x)[N][4]) {
	for (int n = 0; n < N; n++) asm volatile("" : "+f"(x[n][0]), "+f"(x[n][1]), "+f"(x[n][2]), "+f"(x[n][3])::"memory");
}

// fence_async makes this thread's writes to shared memory seen by wgmma.
__device__ __forceinline__ void fence_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

#endif

// exp2_approx is 2^x to about 2 ulp; 0 for -∞.
__device__ __forceinline__ float exp2_approx(float x) {
	float r;
	asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
	return r;
}

#endif // TROUPE_SIMULATION

#ifdef WARPGROUPS

// matrix_descriptor describes a matrix in shared memory of rows of 128 bytes,
// chunks permuted as in Tile, in groups of eight rows: PTX ISA, "Matrix
// Descriptor".
__device__ __forceinline__ unsigned long long matrix_descriptor(unsigned address) {
	return (address & 0x3ffff) >> 4 | 1ull << 16 | (1024ull >> 4) << 32 | 1ull << 62;
}

#endif

#define MINUS_INFINITY __int_as_float(0xff800000)

// to_tf32 prepares a number for a product in tf32. Tensor cores drop the lower 13
// bits, which alone would make every number smaller. cvt.rna costs two to three
// instructions; a factor costs one, keeps NaN and infinity, leaves what tf32 can
// represent as it is, and makes up for the loss on average: the error is 0.31 of
// the last place (root mean square), where rounding to the nearest has 0.29.
__device__ __forceinline__ unsigned to_tf32(float f) { return __float_as_uint(f * (1.0f + 1.386f / 4096)); }

// Slack is how far, in powers of two, a score may exceed the subtracted maximum
// before the sums are scaled down to a new one. Weights reach 2^8 then, which
// costs no precision, and the scaling is done for few tiles. The choice is the
// row's own.
constexpr float slack = 8.0f;

// Softmax keeps up the softmax of one row as tiles of scores arrive.
struct Softmax {
	float top = MINUS_INFINITY; // subtracted from the scores
	float sum = 0.0f;           // of the weights of this thread's columns

	// raise takes the largest score of a tile and returns the factor for what was
	// summed up so far.
	__device__ __forceinline__ float raise(float most, float to_log2) {
		// The difference of equal infinities is NaN, which does not compare.
		if (!((most - top) * to_log2 > slack)) return 1.0f;
		float factor = exp2_approx((top - most) * to_log2);
		top = most;
		sum *= factor;
		return factor;
	}

	// weight is subtracted first and scaled then: in one fused operation a
	// rounded product of the maximum could exceed a huge score by many powers.
	__device__ __forceinline__ float weight(float score, float to_log2) {
		float w = exp2_approx((score - top) * to_log2);
		sum += w;
		return w;
	}
};

// quad_max and quad_sum combine the four lanes that share a row of an mma's
// result.
__device__ __forceinline__ float quad_max(float v) {
	v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, 1));
	return fmaxf(v, __shfl_xor_sync(0xffffffffu, v, 2));
}
__device__ __forceinline__ float quad_sum(float v) {
	v += __shfl_xor_sync(0xffffffffu, v, 1);
	return v + __shfl_xor_sync(0xffffffffu, v, 2);
}

// Loader copies a matrix to shared memory, tile by tile: what it leaves over of
// a tile of KEYS rows becomes zeros. Each thread copies the same chunk of every
// STEP-th row.
template <class T, int HD, int KEYS, int THREADS>
struct Loader {
	static constexpr int CHUNK = 16 / sizeof(T), CHUNKS = HD / CHUNK, STEP = THREADS / CHUNKS;
	static_assert(KEYS % STEP == 0, "threads take whole rows");
	const T* from;
	i64 step;
	int left; // rows, less those above the thread's first

	__device__ __forceinline__ Loader(const T* matrix, i64 ld, int rows)
	    : from(matrix + threadIdx.x / CHUNKS * ld + threadIdx.x % CHUNKS * CHUNK), step(STEP * ld), left(rows - (int)threadIdx.x / CHUNKS) {}

	template <class To> __device__ __forceinline__ void next(To& tile) {
		for (int i = 0; i < KEYS / STEP; i++) {
			cp_async16(tile.at(threadIdx.x / CHUNKS + i * STEP, threadIdx.x % CHUNKS), from, i * STEP < left);
			from += step;
		}
		left -= KEYS;
	}
};

// FloatTile is KEYS rows of HD floats, each followed by PAD floats that keep rows
// in different banks.
template <int HD, int KEYS, int PAD>
struct FloatTile {
	float x[KEYS * (HD + PAD)];

	__device__ __forceinline__ float* column(int row, int column) { return x + row * (HD + PAD) + column; }
	__device__ __forceinline__ float* at(int row, int chunk) { return column(row, chunk * 4); }
};

#ifdef TENSOR_CORES

// Of a warp's M·16 queries, lane l has rows l/4 and l/4+8 of each group of 16;
// row 2·m+h of its arrays is row m·16 + h·8 + l/4 of the warp's.

// mask makes the scores of keys that do not exist -∞: those of a tile from
// number keys on.
template <int M, int NT>
__device__ __forceinline__ void mask(float (&s)[M][NT][4], int keys) {
	const int t = threadIdx.x % 4;
	for (int m = 0; m < M; m++) {
		for (int n = 0; n < NT; n++) {
			for (int i = 0; i < 4; i++) {
				if (n * 8 + 2 * t + i % 2 >= keys) s[m][n][i] = MINUS_INFINITY;
			}
		}
	}
}

// weigh turns a tile of scores (NT groups of 8 keys) into weights and returns in
// factor what the sums so far have to be scaled by.
template <int M, int NT>
__device__ __forceinline__ void weigh(float (&s)[M][NT][4], Softmax (&soft)[2 * M], float (&factor)[2 * M], float to_log2) {
	for (int r = 0; r < 2 * M; r++) {
		const int m = r / 2, h = r % 2 * 2;
		float most = fmaxf(s[m][0][h], s[m][0][h + 1]);
		for (int n = 1; n < NT; n++) most = fmaxf(most, fmaxf(s[m][n][h], s[m][n][h + 1]));
		factor[r] = soft[r].raise(quad_max(most), to_log2);
	}
	for (int m = 0; m < M; m++) {
		for (int n = 0; n < NT; n++) {
			for (int i = 0; i < 4; i++) s[m][n][i] = soft[2 * m + i / 2].weight(s[m][n][i], to_log2);
		}
	}
}

// rescale multiplies sums by their rows' factors. Where no row of the warp has a
// new maximum, all factors are one, and nothing is to do.
template <int M, int DT>
__device__ __forceinline__ void rescale(float (&o)[M][DT][4], const float (&factor)[2 * M]) {
	bool changed = false;
	for (int r = 0; r < 2 * M; r++) changed |= factor[r] != 1.0f;
	if (!__any_sync(0xffffffffu, changed)) return;
	for (int m = 0; m < M; m++) {
		for (int n = 0; n < DT; n++) {
			for (int i = 0; i < 4; i++) o[m][n][i] *= factor[2 * m + i / 2];
		}
	}
}

// pack_weights makes the left factor of products from 16 keys' weights.
template <int NT>
__device__ __forceinline__ void pack_weights(unsigned (&a)[4], const float (&s)[NT][4], int c) {
	for (int i = 0; i < 4; i++) a[i] = pack_bf16(s[2 * c + i / 2][i % 2 * 2], s[2 * c + i / 2][i % 2 * 2 + 1]);
}

// Tile is KEYS rows of HD bf16 in shared memory. Chunks of 16 bytes are permuted
// within each 128 bytes so that the eight rows of a matrix lie in different
// banks.
template <int HD, int KEYS>
struct Tile {
	unsigned short x[KEYS * HD];

	__device__ __forceinline__ unsigned short* at(int row, int chunk) {
		constexpr int chunks = HD / 8, rows = chunks < 8 ? 8 / chunks : 1; // rows in 128 bytes
		return x + row * HD + (chunk ^ (row / rows & (chunks < 8 ? chunks - 1 : 7))) * 8;
	}
};

// Four warps take M·16 queries each.
template <int HD, int M>
__device__ __forceinline__ void attention_bf16(const unsigned short* q, i64 ldq, const unsigned short* k, const unsigned short* v, i64 ldkv, unsigned short* out,
                                               i64 ldo, int4 item, float to_log2) {
	constexpr int KEYS = 64, NT = KEYS / 8, DT = HD / 8;
	extern __shared__ uint4 shared[];
	Tile<HD, KEYS>* keys = (Tile<HD, KEYS>*)shared; // two, then two of values
	Tile<HD, KEYS>* values = keys + 2;
	const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
	const int row0 = threadIdx.x / 32 * (M * 16);
	const bool active = row0 < item.w; // the others only load
	q += item.z * ldq + blockIdx.y * HD;
	out += item.z * ldo + blockIdx.y * HD;
	k += item.x * ldkv + blockIdx.y * HD;
	v += item.x * ldkv + blockIdx.y * HD;

	Loader<unsigned short, HD, KEYS, 128> next_keys(k, ldkv, item.y), next_values(v, ldkv, item.y);
	next_keys.next(keys[0]);
	next_values.next(values[0]);
	cp_async_commit();

	unsigned query[M][HD / 16][4];
	for (int m = 0; m < M; m++) {
		for (int c = 0; c < HD / 16; c++) {
			for (int i = 0; i < 4; i++) {
				int row = row0 + m * 16 + g + i % 2 * 8;
				query[m][c][i] = row < item.w ? *(const unsigned*)(q + row * ldq + c * 16 + i / 2 * 8 + t * 2) : 0;
			}
		}
	}
	float o[M][DT][4];
	for (int m = 0; m < M; m++) {
		for (int n = 0; n < DT; n++) {
			for (int i = 0; i < 4; i++) o[m][n][i] = 0.0f;
		}
	}
	Softmax soft[2 * M];

	const int tiles = (item.y + KEYS - 1) / KEYS;
	for (int j = 0; j < tiles; j++) {
		// The tile is there, and nobody reads the one before it any more.
		cp_async_wait<0>();
		__syncthreads();
		if (j + 1 < tiles) {
			next_keys.next(keys[(j + 1) % 2]);
			next_values.next(values[(j + 1) % 2]);
			cp_async_commit();
		}
		if (!active) continue;
		Tile<HD, KEYS>& kt = keys[j % 2];
		Tile<HD, KEYS>& vt = values[j % 2];
		float s[M][NT][4];
		for (int m = 0; m < M; m++) {
			for (int n = 0; n < NT; n++) {
				for (int i = 0; i < 4; i++) s[m][n][i] = 0.0f;
			}
		}
		for (int c = 0; c < HD / 16; c++) {
			for (int n = 0; n < NT; n += 2) {
				unsigned b[4];
				ldmatrix_x4(b, kt.at(n * 8 + lane % 8 + lane / 16 * 8, c * 2 + lane / 8 % 2));
				for (int m = 0; m < M; m++) {
					mma_bf16(s[m][n], query[m][c], b[0], b[1]);
					mma_bf16(s[m][n + 1], query[m][c], b[2], b[3]);
				}
			}
		}
		float factor[2 * M];
		if (item.y - j * KEYS < KEYS) mask<M, NT>(s, item.y - j * KEYS);
		weigh<M, NT>(s, soft, factor, to_log2);
		rescale<M, DT>(o, factor);
		for (int c = 0; c < KEYS / 16; c++) {
			unsigned weight[M][4];
			for (int m = 0; m < M; m++) pack_weights(weight[m], s[m], c);
			for (int n = 0; n < DT; n += 2) {
				unsigned b[4];
				ldmatrix_x4_trans(b, vt.at(c * 16 + lane % 16, n + lane / 16));
				for (int m = 0; m < M; m++) {
					mma_bf16(o[m][n], weight[m], b[0], b[1]);
					mma_bf16(o[m][n + 1], weight[m], b[2], b[3]);
				}
			}
		}
	}
	if (!active) return;
	for (int r = 0; r < 2 * M; r++) {
		float inverse = 1.0f / quad_sum(soft[r].sum);
		const int m = r / 2, h = r % 2, row = row0 + m * 16 + h * 8 + g;
		if (row >= item.w) continue;
		for (int n = 0; n < DT; n++) {
			*(unsigned*)(out + row * ldo + n * 8 + t * 2) = pack_bf16(o[m][n][2 * h] * inverse, o[m][n][2 * h + 1] * inverse);
		}
	}
}

#ifdef WARPGROUPS

template <bool B> struct Bool { static constexpr bool value = B; };

// Each warpgroup takes 64 queries. While it computes the weights of one tile, its
// products of the tile before are under way, and the other warpgroups' products.
template <int GROUPS, int KEYS, int STAGES>
__device__ __forceinline__ void attention_wgmma(const unsigned short* q, i64 ldq, const unsigned short* k, const unsigned short* v, i64 ldkv, unsigned short* out,
                                                i64 ldo, int4 item, float to_log2) {
	constexpr int HD = 64, NT = KEYS / 8;
	extern __shared__ __align__(1024) uint4 shared[];
	Tile<HD, KEYS>* keys = (Tile<HD, KEYS>*)shared; // one for each stage, then those of values
	Tile<HD, KEYS>* values = keys + STAGES;
	const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
	const int row0 = threadIdx.x / 32 * 16;
	q += item.z * ldq + blockIdx.y * HD;
	out += item.z * ldo + blockIdx.y * HD;
	k += item.x * ldkv + blockIdx.y * HD;
	v += item.x * ldkv + blockIdx.y * HD;

	const int tiles = (item.y + KEYS - 1) / KEYS;
	Loader<unsigned short, HD, KEYS, 128 * GROUPS> next_keys(k, ldkv, item.y), next_values(v, ldkv, item.y);
	auto load = [&](int j) {
		if (j < tiles) {
			next_keys.next(keys[j % STAGES]);
			next_values.next(values[j % STAGES]);
		}
		cp_async_commit(); // a group for every tile, if only an empty one
	};
	for (int j = 0; j < STAGES - 2; j++) load(j);

	unsigned query[4][4];
	for (int c = 0; c < 4; c++) {
		for (int i = 0; i < 4; i++) {
			int row = row0 + g + i % 2 * 8;
			query[c][i] = row < item.w ? *(const unsigned*)(q + row * ldq + c * 16 + i / 2 * 8 + t * 2) : 0;
		}
	}
	float o[1][8][4];
	for (int n = 0; n < 8; n++) {
		for (int i = 0; i < 4; i++) o[0][n][i] = 0.0f;
	}
	Softmax soft[2];
	float s[1][NT][4], factor[2];
	unsigned weight[NT / 2][4];

	// score starts the products of the queries and a tile's keys.
	auto score = [&](int j) {
		unsigned long long b = matrix_descriptor(shared_address(keys + j % STAGES));
		for (int n = 0; n < NT / 8; n++) {
			for (int c = 0; c < 4; c++) wgmma_64x64<0>(*(float(*)[8][4])(s[0] + n * 8), query[c], b + n * (64 * 128 >> 4) + c * (32 >> 4), c);
		}
		wgmma_commit();
	};
	// multiply starts the products of the weights and a tile's values.
	auto multiply = [&](int j) {
		unsigned long long b = matrix_descriptor(shared_address(values + j % STAGES));
		for (int c = 0; c < NT / 2; c++) wgmma_64x64<1>(o[0], weight[c], b + c * (16 * 128 >> 4), 1);
		wgmma_commit();
	};
	// arrive waits for a tile. Nobody reads the one that is two before it any
	// more; the values of the one before are still in use.
	auto arrive = [&](int j) {
		cp_async_wait<STAGES - 3>();
		fence_async();
		__syncthreads();
		load(j + STAGES - 2);
	};

	// A warpgroup without queries only loads. The shuffle tells the compiler that
	// a warp takes one way.
	const bool active = __shfl_sync(0xffffffffu, row0 / 64 * 64, 0) < item.w;
	arrive(0);
	if (active) {
		wgmma_fence();
		score(0);
		wgmma_wait<0>();
		if (item.y < KEYS) mask<1, NT>(s, item.y);
		weigh<1, NT>(s, soft, factor, to_log2);
		for (int c = 0; c < NT / 2; c++) pack_weights(weight[c], s[0], c);
	}
	// step turns the scores of tile j into weights while the products of the tile
	// before are computed.
	auto step = [&](int j, auto last) {
		wgmma_fence();
		score(j);
		multiply(j - 1);
		wgmma_wait<1>();
		if constexpr (last.value) mask<1, NT>(s, item.y - j * KEYS);
		weigh<1, NT>(s, soft, factor, to_log2);
		// Waiting in both branches keeps the compiler from waiting before the
		// weights are computed.
		pin(s[0]);
		if (__any_sync(0xffffffffu, factor[0] != 1.0f || factor[1] != 1.0f)) {
			wgmma_wait<0>();
			for (int n = 0; n < 8; n++) {
				for (int i = 0; i < 4; i++) o[0][n][i] *= factor[i / 2];
			}
		} else {
			wgmma_wait<0>();
		}
		for (int c = 0; c < NT / 2; c++) pack_weights(weight[c], s[0], c);
	};
	for (int j = 1; j < tiles - 1; j++) {
		arrive(j);
		if (active) step(j, Bool<false>());
	}
	if (tiles > 1) {
		arrive(tiles - 1);
		if (active) step(tiles - 1, Bool<true>());
	}
	if (!active) {
		cp_async_wait<0>();
		return;
	}
	wgmma_fence();
	multiply(tiles - 1);
	wgmma_wait<0>();
	cp_async_wait<0>();
	for (int h = 0; h < 2; h++) {
		float inverse = 1.0f / quad_sum(soft[h].sum);
		const int row = row0 + h * 8 + g;
		if (row >= item.w) continue;
		for (int n = 0; n < 8; n++) *(unsigned*)(out + row * ldo + n * 8 + t * 2) = pack_bf16(o[0][n][2 * h] * inverse, o[0][n][2 * h + 1] * inverse);
	}
}

#endif

// The order of the columns of a and the rows of b within an mma is free as long
// as both agree, and so is which column of the result stands for which. Here
// loads of four floats in a row serve several products:
//   scores: with 16 dimensions at a time, place t is dimension 4·t and place t+4
//   dimension 4·t+1; in a second product they are 4·t+2 and 4·t+3;
//   result: place t is key 2·t and place t+4 key 2·t+1, which is how weights lie
//   in the registers; column g of product n is dimension 32·(n/4) + 4·g + n%4.
// Head sizes of 16 have two products instead of four: 16·(n/2) + 2·g + n%2.
template <int HD, int M>
__device__ __forceinline__ void attention_tf32(const float* q, i64 ldq, const float* k, const float* v, i64 ldkv, float* out, i64 ldo, int4 item, float to_log2) {
	constexpr int KEYS = 32, NT = KEYS / 8, DT = HD / 8, RUN = HD % 32 ? 2 : 4;
	extern __shared__ uint4 shared[];
	FloatTile<HD, KEYS, 16>* keys = (FloatTile<HD, KEYS, 16>*)shared;
	FloatTile<HD, KEYS, 4>* values = (FloatTile<HD, KEYS, 4>*)(keys + 2);
	const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
	const int row0 = threadIdx.x / 32 * (M * 16);
	const bool active = row0 < item.w;
	q += item.z * ldq + blockIdx.y * HD;
	out += item.z * ldo + blockIdx.y * HD;
	k += item.x * ldkv + blockIdx.y * HD;
	v += item.x * ldkv + blockIdx.y * HD;

	Loader<float, HD, KEYS, 128> next_keys(k, ldkv, item.y), next_values(v, ldkv, item.y);
	next_keys.next(keys[0]);
	next_values.next(values[0]);
	cp_async_commit();

	unsigned query[M][DT][4];
	for (int m = 0; m < M; m++) {
		for (int c = 0; c < DT; c += 2) {
			for (int h = 0; h < 2; h++) {
				int row = row0 + m * 16 + h * 8 + g;
				float4 x = row < item.w ? *(const float4*)(q + row * ldq + c * 8 + t * 4) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
				query[m][c][h] = to_tf32(x.x);
				query[m][c][2 + h] = to_tf32(x.y);
				query[m][c + 1][h] = to_tf32(x.z);
				query[m][c + 1][2 + h] = to_tf32(x.w);
			}
		}
	}
	float o[M][DT][4];
	for (int m = 0; m < M; m++) {
		for (int n = 0; n < DT; n++) {
			for (int i = 0; i < 4; i++) o[m][n][i] = 0.0f;
		}
	}
	Softmax soft[2 * M];

	const int tiles = (item.y + KEYS - 1) / KEYS;
	for (int j = 0; j < tiles; j++) {
		cp_async_wait<0>();
		__syncthreads();
		if (j + 1 < tiles) {
			next_keys.next(keys[(j + 1) % 2]);
			next_values.next(values[(j + 1) % 2]);
			cp_async_commit();
		}
		if (!active) continue;
		FloatTile<HD, KEYS, 16>& kt = keys[j % 2];
		FloatTile<HD, KEYS, 4>& vt = values[j % 2];
		float s[M][NT][4];
		for (int m = 0; m < M; m++) {
			for (int n = 0; n < NT; n++) {
				for (int i = 0; i < 4; i++) s[m][n][i] = 0.0f;
			}
		}
		for (int c = 0; c < DT; c += 2) {
			float4 x[NT];
			for (int n = 0; n < NT; n++) x[n] = *(const float4*)kt.at(n * 8 + g, c * 2 + t);
			for (int n = 0; n < NT; n++) {
				for (int m = 0; m < M; m++) mma_tf32(s[m][n], query[m][c], to_tf32(x[n].x), to_tf32(x[n].y));
			}
			for (int n = 0; n < NT; n++) {
				for (int m = 0; m < M; m++) mma_tf32(s[m][n], query[m][c + 1], to_tf32(x[n].z), to_tf32(x[n].w));
			}
		}
		float factor[2 * M];
		if (item.y - j * KEYS < KEYS) mask<M, NT>(s, item.y - j * KEYS);
		weigh<M, NT>(s, soft, factor, to_log2);
		rescale<M, DT>(o, factor);
		for (int c = 0; c < NT; c++) {
			unsigned weight[M][4];
			for (int m = 0; m < M; m++) {
				weight[m][0] = to_tf32(s[m][c][0]);
				weight[m][1] = to_tf32(s[m][c][2]);
				weight[m][2] = to_tf32(s[m][c][1]);
				weight[m][3] = to_tf32(s[m][c][3]);
			}
			for (int n = 0; n < DT; n += RUN) {
				float x[2][RUN];
				for (int h = 0; h < 2; h++) {
					const float* from = vt.column(c * 8 + t * 2 + h, n * 8 + g * RUN);
					if (RUN == 4) *(float4*)x[h] = *(const float4*)from;
					else *(float2*)x[h] = *(const float2*)from;
				}
				for (int i = 0; i < RUN; i++) {
					for (int m = 0; m < M; m++) mma_tf32(o[m][n + i], weight[m], to_tf32(x[0][i]), to_tf32(x[1][i]));
				}
			}
		}
	}
	if (!active) return;
	for (int r = 0; r < 2 * M; r++) {
		float inverse = 1.0f / quad_sum(soft[r].sum);
		const int m = r / 2, h = r % 2, row = row0 + m * 16 + h * 8 + g;
		if (row >= item.w) continue;
		for (int n = 0; n < DT; n += RUN) {
			// Columns 2·t and 2·t+1 of RUN products are 2·RUN dimensions in a row.
			float x[2][RUN];
			for (int i = 0; i < RUN; i++) {
				x[0][i] = o[m][n + i][2 * h] * inverse;
				x[1][i] = o[m][n + i][2 * h + 1] * inverse;
			}
			for (int i = 0; i < 2; i++) {
				float* to = out + row * ldo + n * 8 + (t * 2 + i) * RUN;
				if (RUN == 4) *(float4*)to = *(float4*)x[i];
				else *(float2*)to = *(float2*)x[i];
			}
		}
	}
}

#endif // TENSOR_CORES

// In float32, without tensor cores: 256 threads as 16 × 16 take R·16 queries and
// tiles of 64 keys. Thread (x, y) has queries y, y+16, … and keys x, x+16, … of the
// scores, and columns 4·x… of the result, in runs of 64. With 8 rows a thread,
// copies overlap the computation; with 4, weights take the place of the keys, for
// multiprocessors with little shared memory.
template <int HD, int R>
__device__ __forceinline__ void attention_fp32(const float* q, i64 ldq, const float* k, const float* v, i64 ldkv, float* out, i64 ldo, int4 item, float to_log2) {
	constexpr int N = 64, COLUMNS = (HD + 63) / 64;
	constexpr bool OVERLAY = R < 8;
	typedef FloatTile<HD, N, 4> KeyTile;
	typedef FloatTile<N, R * 16, 4> WeightTile;
	extern __shared__ uint4 shared[];
	FloatTile<HD, R * 16, 4>& queries = *(FloatTile<HD, R * 16, 4>*)shared;
	KeyTile& values = *(KeyTile*)(&queries + 1);
	KeyTile& keys = *(&values + 1);
	WeightTile& weights = OVERLAY ? *(WeightTile*)&keys : *(WeightTile*)(&keys + 1);
	const int x = threadIdx.x % 16, y = threadIdx.x / 16;
	q += item.z * ldq + blockIdx.y * HD;
	out += item.z * ldo + blockIdx.y * HD;
	k += item.x * ldkv + blockIdx.y * HD;
	v += item.x * ldkv + blockIdx.y * HD;

	Loader<float, HD, R * 16, 256>(q, ldq, item.w).next(queries);
	Loader<float, HD, N, 256> next_keys(k, ldkv, item.y), next_values(v, ldkv, item.y);
	if (!OVERLAY) next_keys.next(keys);
	cp_async_commit();
	Softmax soft[R];
	float o[R][COLUMNS][4];
#pragma unroll
	for (int i = 0; i < R; i++) {
#pragma unroll
		for (int c = 0; c < COLUMNS; c++) {
			for (int j = 0; j < 4; j++) o[i][c][j] = 0.0f;
		}
	}
	for (int k0 = 0; k0 < item.y; k0 += N) {
		if (OVERLAY) {
			__syncthreads(); // nobody reads the weights any more
			next_keys.next(keys);
			cp_async_commit();
		}
		cp_async_wait<0>();
		__syncthreads(); // the keys are there, and nobody reads the values before
		next_values.next(values);
		cp_async_commit();
		float s[R][4];
#pragma unroll
		for (int i = 0; i < R; i++) {
			for (int j = 0; j < 4; j++) s[i][j] = 0.0f;
		}
#pragma unroll 1
		for (int d = 0; d < HD; d += 4) {
			float4 b[4];
#pragma unroll
			for (int j = 0; j < 4; j++) b[j] = *(const float4*)keys.column(x + 16 * j, d);
#pragma unroll
			for (int i = 0; i < R; i++) {
				float4 a = *(const float4*)queries.column(y + 16 * i, d);
#pragma unroll
				for (int j = 0; j < 4; j++) {
					s[i][j] = fmaf(a.x, b[j].x, s[i][j]);
					s[i][j] = fmaf(a.y, b[j].y, s[i][j]);
					s[i][j] = fmaf(a.z, b[j].z, s[i][j]);
					s[i][j] = fmaf(a.w, b[j].w, s[i][j]);
				}
			}
		}
		cp_async_wait<0>();
		__syncthreads(); // the values are there, and nobody reads the keys any more
		if (!OVERLAY && k0 + N < item.y) {
			next_keys.next(keys);
			cp_async_commit();
		}
#pragma unroll
		for (int i = 0; i < R; i++) {
			float most = MINUS_INFINITY;
#pragma unroll
			for (int j = 0; j < 4; j++) {
				if (k0 + x + 16 * j >= item.y) s[i][j] = MINUS_INFINITY;
				most = fmaxf(most, s[i][j]);
			}
			for (int w = 1; w < 16; w *= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, w));
			float factor = soft[i].raise(most, to_log2);
#pragma unroll
			for (int c = 0; c < COLUMNS; c++) {
				for (int j = 0; j < 4; j++) o[i][c][j] *= factor;
			}
#pragma unroll
			for (int j = 0; j < 4; j++) *weights.column(y + 16 * i, x + 16 * j) = soft[i].weight(s[i][j], to_log2);
		}
		__syncwarp(); // a row's weights come from the half warp that uses them
#pragma unroll 1
		for (int d = 0; d < N; d += 4) {
			float4 a[R];
#pragma unroll
			for (int i = 0; i < R; i++) a[i] = *(const float4*)weights.column(y + 16 * i, d);
#pragma unroll
			for (int c = 0; c < COLUMNS; c++) {
				int column = c * 64 + x * 4;
				if (HD % 64 && column >= HD) continue;
#pragma unroll
				for (int e = 0; e < 4; e++) {
					float4 b = *(const float4*)values.column(d + e, column);
#pragma unroll
					for (int i = 0; i < R; i++) {
						float w = e == 0 ? a[i].x : e == 1 ? a[i].y : e == 2 ? a[i].z : a[i].w;
						o[i][c][0] = fmaf(w, b.x, o[i][c][0]);
						o[i][c][1] = fmaf(w, b.y, o[i][c][1]);
						o[i][c][2] = fmaf(w, b.z, o[i][c][2]);
						o[i][c][3] = fmaf(w, b.w, o[i][c][3]);
					}
				}
			}
		}
	}
#pragma unroll
	for (int i = 0; i < R; i++) {
		float sum = soft[i].sum;
		for (int w = 1; w < 16; w *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, w);
		float inverse = 1.0f / sum;
		int row = y + 16 * i;
		if (row >= item.w) continue;
#pragma unroll
		for (int c = 0; c < COLUMNS; c++) {
			int column = c * 64 + x * 4;
			if (HD % 64 && column >= HD) continue;
			*(float4*)(out + row * ldo + column) = make_float4(o[i][c][0] * inverse, o[i][c][1] * inverse, o[i][c][2] * inverse, o[i][c][3] * inverse);
		}
	}
}

#define PARAMETERS const void *q, i64 ldq, const void *k, const void *v, i64 ldkv, void *out, i64 ldo, const int4 *work, i64 first, double scale
#define LOG2_E 1.4426950408889634
#define ARGUMENTS(T) (const T*)q, ldq, (const T*)k, (const T*)v, ldkv, (T*)out, ldo, work[first + blockIdx.x], (float)(scale * LOG2_E)

#ifdef TENSOR_CORES
#define KERNELS_TENSOR(HD, M)                                                                                                             \
	extern "C" __global__ void __launch_bounds__(128, 2) attention_bf16_##HD(PARAMETERS) { attention_bf16<HD, M>(ARGUMENTS(unsigned short)); } \
	extern "C" __global__ void __launch_bounds__(128, 2) attention_tf32_##HD(PARAMETERS) { attention_tf32<HD, M>(ARGUMENTS(float)); }
#else
#define KERNELS_TENSOR(HD, M)
#endif
#define KERNELS(HD, M)                                                                                                       \
	KERNELS_TENSOR(HD, M)                                                                                                    \
	extern "C" __global__ void __launch_bounds__(256) attention_fp32_##HD(PARAMETERS) { attention_fp32<HD, 4>(ARGUMENTS(float)); }

#if !defined(HEAD_DIM) || HEAD_DIM == 16
KERNELS(16, 2)
#endif
#if !defined(HEAD_DIM) || HEAD_DIM == 32
KERNELS(32, 2)
#endif
#if !defined(HEAD_DIM) || HEAD_DIM == 64
KERNELS(64, 2)
#ifdef WARPGROUPS
extern "C" __global__ void __launch_bounds__(256, 2) attention_wgmma_64(PARAMETERS) { attention_wgmma<2, 64, 4>(ARGUMENTS(unsigned short)); }
#endif
#endif
#if !defined(HEAD_DIM) || HEAD_DIM == 128
KERNELS(128, 1)
#endif
