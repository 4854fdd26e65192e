package compute

// Projector is implemented by a device on which reading a row from memory takes
// less time than computing it. As with [InputAttender], all devices of a class are,
// or none.
type Projector interface {
	// Project returns the product table·wᵀ as a tensor (table.Rows() × w.Out())
	// that Embed takes for its table, and no other operation. A row is computed,
	// with the bytes that Linear gives it, and takes memory, when it is first
	// asked for. Neither table nor w may be freed before it.
	Project(table Tensor, w Matrix) (Tensor, error)
}

// CheckProject holds the rules of Project.
func CheckProject(table Tensor, w Matrix) error {
	const op = "Project"
	switch {
	case table == nil || w == nil:
		return shapeErrorf(op, "table and weights must be set")
	case table.Cols() != w.In():
		return shapeErrorf(op, "table has %d columns, weights take %d", table.Cols(), w.In())
	}
	return CheckSize(op, table.Rows(), w.Out())
}
