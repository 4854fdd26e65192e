package compute

// Sharer is implemented by a device whose weights lie in ordinary memory, in an
// order that only its class decides: several processes can map them from one
// file.
type Sharer interface {
	// TensorContent and MatrixContent return what a tensor or a matrix holds,
	// as it lies there. It must not be changed, nor read after Free.
	TensorContent(t Tensor) ([]float32, error)
	MatrixContent(m Matrix) ([]float32, error)

	// MapTensor and MapMatrix return a tensor or a matrix of such content, which
	// is not copied: it must stay as it is until Free, and is never written.
	// The device is fastest where content begins at a multiple of 64 bytes. A
	// content of another length than the sizes ask for is a *ShapeError; that of a
	// matrix of UploadPaired may be longer than that of UploadMatrix, and gives one
	// of its kind.
	MapTensor(rows, cols int, content []float32) (Tensor, error)
	MapMatrix(out, in int, content []float32) (Matrix, error)
}
