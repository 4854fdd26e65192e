package compute

import "context"

// Sequencer is implemented by a device that queues work: it takes operations one
// after another faster than it does them.
type Sequencer interface {
	// Sequence runs f, whose operations on the device that it is given are
	// queued without those of other callers in between, and at less cost
	// each. f must not wait for anything, Read included, nor keep the device;
	// tensors are those of the whole device. It returns f's error.
	Sequence(ctx context.Context, f func(Device) error) error

	// InFlight is how many callers, each with a sequence and a Read behind
	// it, keep the device busy.
	InFlight() int
}

// Sequence runs f as a sequence on a device that is a [Sequencer], and as it is
// on any other.
func Sequence(ctx context.Context, dev Device, f func(Device) error) error {
	if s, ok := dev.(Sequencer); ok {
		return s.Sequence(ctx, f)
	}
	return f(dev)
}

// InFlight returns [Sequencer.InFlight], 1 for a device that is none.
func InFlight(dev Device) int {
	if s, ok := dev.(Sequencer); ok {
		return s.InFlight()
	}
	return 1
}

// Fetcher is implemented by the device of a sequence that can read without
// waiting.
type Fetcher interface {
	// Fetch queues the reading of a tensor, which gives its numbers at that
	// place among the operations. The function that it returns waits for them
	// and copies them to dst, which is exactly the tensor's size; it is called
	// once, after the sequence.
	Fetch(ctx context.Context, src Tensor) (func(dst []float32) error, error)
}
