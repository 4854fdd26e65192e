// libcudnn: the calls that the device makes through gorgonia.org/cu/dnn.
#include <cudnn.h>

#include <cmath>
#include <cstring>

#include "device.h"

using namespace sim;

struct cudnnContext {
	void* stream = nullptr;
};

struct cudnnTensorStruct {
	cudnnDataType_t type = CUDNN_DATA_FLOAT;
	int n = 0;
	int dim[8] = {}, stride[8] = {};
	long at(long outer, long channel, long inner) const { // of the n × c × (the rest) numbers
		long rest = 0, left = inner;
		for (int i = n - 1; i >= 2; i--) {
			rest += left % dim[i] * stride[i];
			left /= dim[i];
		}
		return outer * stride[0] + channel * stride[1] + rest;
	}
	long inner() const {
		long x = 1;
		for (int i = 2; i < n; i++) x *= dim[i];
		return x;
	}
	size_t span() const {
		long last = 0;
		for (int i = 0; i < n; i++) last += long(dim[i] - 1) * stride[i];
		return size_t(last + 1) * 4;
	}
};

struct cudnnActivationStruct {
	cudnnActivationMode_t mode;
	double coef;
};

#define API extern "C" __attribute__((visibility("default"))) cudnnStatus_t CUDNNWINAPI

static cudnnStatus_t enterDNN(const char* call) { return static_cast<cudnnStatus_t>(enter(call)); }

extern "C" __attribute__((visibility("default"))) size_t CUDNNWINAPI cudnnGetVersion() { return CUDNN_VERSION; }
extern "C" __attribute__((visibility("default"))) const char* CUDNNWINAPI cudnnGetErrorString(cudnnStatus_t s) { return s ? "a cuDNN failure" : "CUDNN_STATUS_SUCCESS"; }

API cudnnCreate(cudnnHandle_t* h) {
	if (auto s = enterDNN("cudnnCreate")) return s;
	*h = new cudnnContext;
	opened("cuDNN handles");
	return CUDNN_STATUS_SUCCESS;
}
API cudnnDestroy(cudnnHandle_t h) {
	delete h;
	closed("cuDNN handles");
	return CUDNN_STATUS_SUCCESS;
}
API cudnnSetStream(cudnnHandle_t h, cudaStream_t s) {
	h->stream = s;
	return enterDNN("cudnnSetStream");
}

API cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* d) {
	if (auto s = enterDNN("cudnnCreateTensorDescriptor")) return s;
	*d = new cudnnTensorStruct;
	opened("cuDNN descriptors");
	return CUDNN_STATUS_SUCCESS;
}
API cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t d) {
	delete d;
	closed("cuDNN descriptors");
	return CUDNN_STATUS_SUCCESS;
}

API cudnnSetTensorNdDescriptor(cudnnTensorDescriptor_t d, cudnnDataType_t type, int n, const int dim[], const int stride[]) {
	if (n < 3 || n > 8) return CUDNN_STATUS_NOT_SUPPORTED;
	for (int i = 0; i < n; i++) {
		if (dim[i] < 1 || stride[i] < 1) return CUDNN_STATUS_BAD_PARAM;
	}
	d->type = type;
	d->n = n;
	memcpy(d->dim, dim, sizeof(int) * size_t(n));
	memcpy(d->stride, stride, sizeof(int) * size_t(n));
	return enterDNN("cudnnSetTensorNdDescriptor");
}
API cudnnSetTensorNdDescriptorEx(cudnnTensorDescriptor_t d, cudnnTensorFormat_t format, cudnnDataType_t type, int n, const int dim[]) {
	if (n < 3 || n > 8 || format != CUDNN_TENSOR_NCHW) return CUDNN_STATUS_NOT_SUPPORTED;
	int stride[8];
	for (int i = n - 1, s = 1; i >= 0; i--) {
		stride[i] = s;
		s *= dim[i];
	}
	return cudnnSetTensorNdDescriptor(d, type, n, dim, stride);
}
API cudnnSetTensor4dDescriptorEx(cudnnTensorDescriptor_t d, cudnnDataType_t type, int n, int c, int h, int w, int sn, int sc, int sh, int sw) {
	int dim[] = {n, c, h, w}, stride[] = {sn, sc, sh, sw};
	return cudnnSetTensorNdDescriptor(d, type, 4, dim, stride);
}
API cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t d, cudnnTensorFormat_t format, cudnnDataType_t type, int n, int c, int h, int w) {
	int dim[] = {n, c, h, w};
	return cudnnSetTensorNdDescriptorEx(d, format, type, 4, dim);
}

API cudnnCreateActivationDescriptor(cudnnActivationDescriptor_t* d) {
	if (auto s = enterDNN("cudnnCreateActivationDescriptor")) return s;
	*d = new cudnnActivationStruct{};
	opened("cuDNN descriptors");
	return CUDNN_STATUS_SUCCESS;
}
API cudnnSetActivationDescriptor(cudnnActivationDescriptor_t d, cudnnActivationMode_t mode, cudnnNanPropagation_t, double coef) {
	*d = {mode, coef};
	return enterDNN("cudnnSetActivationDescriptor");
}
API cudnnDestroyActivationDescriptor(cudnnActivationDescriptor_t d) {
	delete d;
	closed("cuDNN descriptors");
	return CUDNN_STATUS_SUCCESS;
}

// blended is alpha·v + beta·old, as cuDNN does it: old is not read if beta is 0.
static void blend(float* y, float v, float alpha, float beta) { *y = beta == 0 ? alpha * v : alpha * v + beta * *y; }

API cudnnSoftmaxForward(cudnnHandle_t h, cudnnSoftmaxAlgorithm_t algorithm, cudnnSoftmaxMode_t mode, const void* alpha, const cudnnTensorDescriptor_t xd, const void* x, const void* beta,
	const cudnnTensorDescriptor_t yd, void* y) {
	if (auto s = enterDNN("cudnnSoftmaxForward")) return s;
	if (xd->type != CUDNN_DATA_FLOAT || yd->type != CUDNN_DATA_FLOAT || algorithm == CUDNN_SOFTMAX_FAST) return CUDNN_STATUS_NOT_SUPPORTED;
	// Rows apart are in cuDNN's documentation; on an H100 cuDNN 9.19 took them for
	// packed ones.
	for (auto* d : {xd, yd}) {
		if (mode == CUDNN_SOFTMAX_MODE_INSTANCE && d->stride[0] != d->dim[1] * d->inner()) {
			say("cudnnSoftmaxForward: rows of %ld numbers lie %d apart: a GPU takes no notice of that", d->dim[1] * d->inner(), d->stride[0]);
			return CUDNN_STATUS_NOT_SUPPORTED;
		}
	}
	if (xd->n != yd->n || memcmp(xd->dim, yd->dim, sizeof(int) * size_t(xd->n))) return CUDNN_STATUS_BAD_PARAM;
	if (!owned(x, xd->span()) || !owned(y, yd->span())) {
		lose(700, "cudnnSoftmaxForward: a tensor lies outside the device's allocations");
		return CUDNN_STATUS_EXECUTION_FAILED;
	}
	float a = *static_cast<const float*>(alpha), b = *static_cast<const float*>(beta);
	enqueue(h->stream, [=, xt = *xd, yt = *yd] {
		auto* in = static_cast<const float*>(x);
		auto* out = static_cast<float*>(y);
		// A mode of CHANNEL sums over c alone, one of INSTANCE over all but n.
		long inner = xt.inner(), sums = mode == CUDNN_SOFTMAX_MODE_CHANNEL ? inner : 1, terms = mode == CUDNN_SOFTMAX_MODE_CHANNEL ? xt.dim[1] : xt.dim[1] * inner;
		for (long o = 0; o < xt.dim[0]; o++) {
			for (long s = 0; s < sums; s++) {
				auto where = [&](const cudnnTensorStruct& t, long i) { return mode == CUDNN_SOFTMAX_MODE_CHANNEL ? t.at(o, i, s) : t.at(o, i / inner, i % inner); };
				float most = -INFINITY, sum = 0;
				for (long i = 0; i < terms; i++) most = fmaxf(most, in[where(xt, i)]);
				for (long i = 0; i < terms; i++) sum += expf(in[where(xt, i)] - most);
				for (long i = 0; i < terms; i++) {
					float v = in[where(xt, i)] - most;
					blend(&out[where(yt, i)], algorithm == CUDNN_SOFTMAX_LOG ? v - logf(sum) : expf(v) / sum, a, b);
				}
			}
		}
	});
	return CUDNN_STATUS_SUCCESS;
}

API cudnnActivationForward(cudnnHandle_t h, cudnnActivationDescriptor_t d, const void* alpha, const cudnnTensorDescriptor_t xd, const void* x, const void* beta, const cudnnTensorDescriptor_t yd,
	void* y) {
	if (auto s = enterDNN("cudnnActivationForward")) return s;
	if (xd->type != CUDNN_DATA_FLOAT || (d->mode != CUDNN_ACTIVATION_RELU && d->mode != CUDNN_ACTIVATION_SIGMOID && d->mode != CUDNN_ACTIVATION_TANH)) return CUDNN_STATUS_NOT_SUPPORTED;
	if (!owned(x, xd->span()) || !owned(y, yd->span())) {
		lose(700, "cudnnActivationForward: a tensor lies outside the device's allocations");
		return CUDNN_STATUS_EXECUTION_FAILED;
	}
	float a = *static_cast<const float*>(alpha), b = *static_cast<const float*>(beta);
	enqueue(h->stream, [=, xt = *xd, yt = *yd, mode = d->mode] {
		long inner = xt.inner();
		for (long o = 0; o < xt.dim[0]; o++) {
			for (long i = 0; i < xt.dim[1] * inner; i++) {
				float v = static_cast<const float*>(x)[xt.at(o, i / inner, i % inner)];
				v = mode == CUDNN_ACTIVATION_RELU ? fmaxf(v, 0) : mode == CUDNN_ACTIVATION_TANH ? tanhf(v) : 1 / (1 + expf(-v));
				blend(&static_cast<float*>(y)[yt.at(o, i / inner, i % inner)], v, a, b);
			}
		}
	});
	return CUDNN_STATUS_SUCCESS;
}
