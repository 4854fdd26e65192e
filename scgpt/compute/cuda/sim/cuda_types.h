// The half-precision headers of CUDA need more of the toolkit than its C
// interface does; cuBLAS' headers only need the names.
#pragma once
#define __CUDA_FP16_H__
#define __CUDA_BF16_H__
struct __half;
struct __nv_bfloat16;
