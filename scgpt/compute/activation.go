package compute

import "fmt"

// Activation is what [Device.Linear] applies to its sums.
type Activation int

const (
	// Identity leaves the sums as they are.
	Identity Activation = iota
	// ReLU is max(x, 0).
	ReLU
	// LeakyReLU is x for positive x, else 0.01·x.
	LeakyReLU
	// Sigmoid is 1/(1+exp(-x)).
	Sigmoid
)

func (a Activation) String() string {
	switch a {
	case Identity:
		return "identity"
	case ReLU:
		return "relu"
	case LeakyReLU:
		return "leaky relu"
	case Sigmoid:
		return "sigmoid"
	}
	return fmt.Sprintf("activation(%d)", int(a))
}
