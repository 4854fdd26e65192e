package compute

// Description says what a device is, for logs and status pages.
type Description struct {
	// Name is the maker's name of the device, such as "NVIDIA H100 80GB HBM3".
	Name string `json:"name"`
	// MemoryTotal and MemoryUsed are the device's memory and what all
	// programs together use of it, in bytes.
	MemoryTotal int64 `json:"memory_total"`
	MemoryUsed  int64 `json:"memory_used"`
	// Driver is the version of the driver, Runtime those of the libraries
	// that compute, such as "13.0" and "cuBLAS 13.0.2, cuDNN 9.19.0".
	Driver  string `json:"driver"`
	Runtime string `json:"runtime"`
}

// Describer is implemented by a device that has memory and a driver of its own.
type Describer interface {
	// Describe asks the device; it fails once the device is closed or lost.
	Describe() (Description, error)
}
