package scgpt

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// Options of the agent.
type Options struct {
	// Models is the folder of the models, one folder each.
	Models string
	// DefaultModel is the model of requests that name none; empty means the
	// only one in Models, else scGPT_human.
	DefaultModel string
	// References is the folder of the references, one folder each; empty means
	// that there are none.
	References string
	// Device is the name of the device as in compute.Open; empty means cpu.
	Device string
	// Precision of the products; empty means fp32.
	Precision compute.Precision
	// Threads limits the threads of a CPU device; 0 means GOMAXPROCS.
	Threads int
	// Layouts is a folder for the models' weights as a CPU device lays them out,
	// one file of the size of the model for each instruction set and precision
	// ([model.LoadMapped]): processes of one machine map it and share its memory,
	// where the system maps files (Unix). Whoever may write there is trusted, as
	// with Models. Empty means that each process lays them out for itself.
	Layouts string
	// Lease is the folder through which the agents of several processes share
	// the device, one forward pass at a time (package lease); empty means that
	// the device is this process's alone, among whose agents it is shared.
	Lease string
	// Roots are the folders that inputs and outputs must lie in; none means
	// the working directory.
	Roots []string
	// Out is the folder of outputs whose request names none, relative to the
	// first root; empty means out.
	Out string
	// Memo is the folder of stored results, which several workers may share;
	// empty means that results are kept in memory only.
	Memo string
	// MemoBytes bounds that folder; 0 means memo.DefaultMaxBytes, negative no bound.
	MemoBytes int64
	// NoMemo stores no results, and uses none.
	NoMemo bool
	// KeepShards is the age from which the shard files of an analysis that
	// failed are removed; 0 means DefaultKeepShards. One that had no worker for
	// so long loses them too, and computes them again.
	KeepShards time.Duration
	// OnDeviceLost is called once when the device cannot be used any more by
	// this process, with a *compute.DeviceLostError; nil means that it is
	// logged only. The agent is not ready from then on. A program whose
	// supervisor starts it again should end: its activities are retried.
	OnDeviceLost func(error)
	// Logger takes the agent's log; nil means slog.Default.
	Logger *slog.Logger
}

// DefaultKeepShards is how long shard files of a failed analysis wait to be taken
// over by another attempt.
const DefaultKeepShards = 7 * 24 * time.Hour

func (o Options) withDefaults() Options {
	o.Device = cmp.Or(o.Device, "cpu")
	o.Precision = cmp.Or(o.Precision, compute.FP32)
	o.Out = cmp.Or(o.Out, "out")
	o.KeepShards = cmp.Or(o.KeepShards, DefaultKeepShards)
	if len(o.Roots) == 0 {
		o.Roots = []string{"."}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}
