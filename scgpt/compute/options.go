package compute

// Options are what every driver understands. The zero value is the default.
type Options struct {
	// Precision of the products; default [FP32]. A device refuses a
	// precision that it lacks and says which it has.
	Precision Precision

	// Threads limits the threads of a CPU device; 0 means GOMAXPROCS at the
	// time of Open. It changes speed only, never a result. Other devices
	// ignore it.
	Threads int
}

// Precision is the arithmetic of the large products. Everything else (sums,
// softmax, norms) is float32 always; a device may store what lies between
// operations in the type of the factors.
type Precision string

const (
	// FP32 is float32 throughout.
	FP32 Precision = "fp32"
	// TF32 rounds the factors to TensorFloat-32, which has the range of
	// float32 and a mantissa of 10 bits; on NVIDIA GPUs.
	TF32 Precision = "tf32"
	// BF16x3 splits each float32 into two bfloat16 and multiplies three
	// times: relative error about 4e-6, on hardware with bfloat16 units.
	BF16x3 Precision = "bf16x3"
	// BF16 rounds the factors to bfloat16.
	BF16 Precision = "bf16"
)
