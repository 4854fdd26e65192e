package neighbors

import (
	"fmt"
	"math"
)

// Matrix is a dense matrix, a row per cell: Data[i*Cols+j] is the value of
// dimension j of cell i. Rows need not be normalised.
type Matrix struct {
	// Data holds Rows·Cols finite values.
	Data       []float32
	Rows, Cols int
}

// Row returns row i, a part of Data.
func (m Matrix) Row(i int) []float32 { return m.Data[i*m.Cols : (i+1)*m.Cols : (i+1)*m.Cols] }

// Check returns an [*Error] unless the matrix has rows and columns, Data has
// their product in values, and each of them is finite. name stands for the
// matrix in the error.
func (m Matrix) Check(name string) error {
	if err := m.checkShape(name); err != nil {
		return err
	}
	for i, v := range m.Data {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return invalidf(fmt.Sprintf("%s[%d,%d]", name, i/m.Cols, i%m.Cols), "%v, but distances need finite values", v)
		}
	}
	return nil
}

func (m Matrix) checkShape(name string) error {
	switch {
	case m.Rows < 1 || m.Cols < 1:
		return invalidf(name, "%d rows of %d columns: there must be at least one of each", m.Rows, m.Cols)
	case m.Rows > math.MaxInt32:
		return invalidf(name, "%d rows, but at most %d can be numbered", m.Rows, math.MaxInt32)
	case len(m.Data)%m.Cols != 0 || len(m.Data)/m.Cols != m.Rows:
		return invalidf(name, "%d values for %d rows of %d columns", len(m.Data), m.Rows, m.Cols)
	}
	return nil
}

// squares returns the squared length of each row and the greatest of them.
func (m Matrix) squares() (squares []float64, greatest float64) {
	squares = make([]float64, m.Rows)
	for i := range squares {
		sum := 0.0
		for _, v := range m.Row(i) {
			sum += float64(v) * float64(v)
		}
		squares[i] = sum
		greatest = max(greatest, sum)
	}
	return squares, greatest
}
