// Package compute is what the model runs on: a [Device] with the few fused
// operations that a transformer over packed cells needs.
//
// # Packed tokens
//
// A batch is a run of tokens without padding: the cells one after another,
// one row per token, with a [Layout] that says where each cell begins. Every
// operation takes whole tensors and is done with them when it returns or, on
// an accelerator, has at least been queued behind the ones before it;
// [Device.Read] waits for the numbers.
//
// Beside what all devices do, one may implement [LayerStarter], [LayerFinisher],
// [PairUploader], [InputAttender], [Projector], [Sequencer], [Sharer] or [Describer]; the model
// makes use of what is there.
//
// # Drivers
//
// Devices come from drivers that register themselves by name, as in
// database/sql: import a driver for its side effect and open it by name.
//
//	import _ "github.com/seed-ab6af24b/troupe/scgpt/compute/cpu"
//
//	dev, err := compute.Open("cpu", compute.Options{})
//
// A name may carry a configuration for its driver behind a colon ("cuda:1",
// "cpu:avx2"); "auto" opens the best device that is compiled in and present.
//
// # Same bytes
//
// On one [Device.Class] a row of a result depends on its own inputs only, or, with
// the weights of a [PairUploader], on those of its cell: a
// cell gives the same bytes alone, in any batch, at any place in it, with any
// number of threads. Classes differ from one another in the last bits; record
// the class beside results that must be comparable bit by bit.
//
// The package computetest holds the suite that every device passes and a slow
// reference device that is its judge.
package compute
