package api

// Progress is the answer to [ProgressQuery].
type Progress struct {
	// Phase is one of the Phase constants.
	Phase       string `json:"phase"`
	ShardsDone  int    `json:"shards_done"`
	ShardsTotal int    `json:"shards_total"`
	CellsDone   int    `json:"cells_done"`
	CellsTotal  int    `json:"cells_total"`
	// Waiting counts the activities that wait for a device. The client adds
	// it; the workflow does not know.
	Waiting int `json:"waiting,omitempty"`
	// Estimate is there once the work is planned.
	Estimate *Estimate `json:"estimate,omitempty"`
}

// The phases of a workflow.
const (
	PhasePlanning    = "planning"
	PhaseEmbedding   = "embedding"
	PhaseAnnotating  = "annotating"
	PhaseIntegrating = "integrating"
	PhaseWriting     = "writing"
	PhaseNaming      = "naming"
	PhaseGenes       = "genes"
	PhaseDone        = "complete"
)

// Beat is the detail of a heartbeat: how many of an activity's cells are done,
// and whether it waits for the device.
type Beat struct {
	Done    int  `json:"done"`
	Total   int  `json:"total"`
	Waiting bool `json:"waiting,omitempty"`
}

// Estimate says what embedding the cells will take on one worker like the one
// that planned, from the speed of its device on a made-up cell.
type Estimate struct {
	// Tokens is that of all cells, estimated from some of them.
	Tokens int64 `json:"tokens"`
	// Seconds is with one worker; n workers take about an nth.
	Seconds float64 `json:"seconds"`
	// MemoryBytes is that of a worker: the model, a batch, and the results.
	// DeviceBytes is what it takes on the device beside that, where the device
	// has memory of its own.
	MemoryBytes int64 `json:"memory_bytes"`
	DeviceBytes int64 `json:"device_bytes,omitempty"`
}
