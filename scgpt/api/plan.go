package api

import (
	"fmt"
	"slices"
	"strings"
)

// PlanRequest is the input of [PlanCells].
type PlanRequest struct {
	// Task is TaskAnnotate, TaskEmbed or TaskIntegrate.
	Task             string      `json:"task"`
	ExpressionData   string      `json:"expression_data"`
	ReferenceDataset string      `json:"reference_dataset,omitempty"`
	Model            string      `json:"model,omitempty"`
	Out              string      `json:"out,omitempty"`
	Cells            CellOptions `json:"cells,omitzero"`
	// BatchKey, NHVG and Flavor are as in [BatchIntegrationRequest]. With the
	// task annotate, a BatchKey is only checked.
	BatchKey   string `json:"batch_key,omitempty"`
	NHVG       int    `json:"n_hvg,omitempty"`
	Flavor     string `json:"flavor,omitempty"`
	ShardCells int    `json:"shard_cells,omitempty"`
	// Neighbors is as in [LabelOptions] and BaselineData as in [ReportOptions].
	// Both are only checked.
	Neighbors    int    `json:"neighbors,omitempty"`
	BaselineData string `json:"baseline_data,omitempty"`
	// Genes are as in [AnalysisWorkflowRequest] and only checked: one of those
	// that are named has to be in the model's vocabulary.
	Genes []string `json:"genes,omitempty"`
}

// The tasks: what the cells are embedded for.
const (
	TaskAnnotate  = "annotate"
	TaskEmbed     = "embed"
	TaskIntegrate = "integrate"
)

// Validate reports what is wrong with the request by itself.
func (r PlanRequest) Validate() error {
	switch {
	case !oneOf(r.Task, TaskAnnotate, TaskEmbed, TaskIntegrate):
		return fmt.Errorf("task is %q: want annotate, embed or integrate", r.Task)
	case r.ExpressionData == "":
		return errNoData
	case r.ShardCells < 0:
		return fmt.Errorf("shard_cells is %d: want 0 or more", r.ShardCells)
	}
	return firstError(r.Cells.Validate(), LabelOptions{Neighbors: r.Neighbors}.Validate(), checkGenes(r.Genes))
}

// ShardOptions say how the cells of a workflow are cut up. The zero value is the
// default.
type ShardOptions struct {
	// ShardCells is the number of cells of a shard; 0 lets the worker choose
	// for some 15 s of work each.
	ShardCells int `json:"shard_cells,omitempty"`
	// MaxShardsInFlight bounds the shards that are scheduled at a time;
	// 0 means 16.
	MaxShardsInFlight int `json:"max_shards_in_flight,omitempty"`
}

// MaxShardsInFlight is the largest number of shards that a workflow may have
// scheduled at a time: Temporal holds at most 2,000 pending activities.
const MaxShardsInFlight = 1000

// Validate reports values that no worker would take.
func (o ShardOptions) Validate() error {
	switch {
	case o.ShardCells < 0:
		return fmt.Errorf("shard_cells is %d: want 0 or more", o.ShardCells)
	case o.MaxShardsInFlight < 0 || o.MaxShardsInFlight > MaxShardsInFlight:
		return fmt.Errorf("max_shards_in_flight is %d: want 0 to %d", o.MaxShardsInFlight, MaxShardsInFlight)
	}
	return nil
}

// Plan is what [PlanCells] found and decided. The shards are runs of
// ShardCells cells, the last one shorter.
type Plan struct {
	// Task says how cells become tokens: that of the request, or embed where
	// labels come from a reference.
	Task           string `json:"task"`
	ExpressionData string `json:"expression_data"`
	Model          string `json:"model"`
	Out            string `json:"out"`
	// Cells has what a reference says of its tokens filled in.
	Cells CellOptions `json:"cells,omitzero"`
	// BatchKey is the column of batches to integrate, Genes the SHA-256 of the
	// list of chosen genes, which lies in ShardDir. NHVG and Flavor are those of
	// the request, to choose them again should the list be lost.
	BatchKey string `json:"batch_key,omitempty"`
	Genes    string `json:"genes,omitempty"`
	NHVG     int    `json:"n_hvg,omitempty"`
	Flavor   string `json:"flavor,omitempty"`
	// NObs counts the cells.
	NObs       int       `json:"n_obs"`
	ShardCells int       `json:"shard_cells"`
	GeneMatch  GeneMatch `json:"gene_match"`
	Estimate   Estimate  `json:"estimate"`
	// Input is the SHA-256 of the file, Fingerprint that of the model: a
	// shard of another file or model is never taken for one of this plan.
	Input       string `json:"input"`
	Fingerprint string `json:"fingerprint"`
	// ShardDir is the folder of the shard files.
	ShardDir string `json:"shard_dir"`
}

// Shards returns the number of shards.
func (p Plan) Shards() int {
	if p.NObs == 0 || p.ShardCells <= 0 {
		return 0
	}
	return (p.NObs + p.ShardCells - 1) / p.ShardCells
}

// Range returns the first cell of shard i and the cell after its last.
func (p Plan) Range(i int) (from, to int) {
	return i * p.ShardCells, min((i+1)*p.ShardCells, p.NObs)
}

// Validate reports what is wrong with the plan by itself.
func (p Plan) Validate() error { return p.validate(TaskAnnotate, TaskEmbed, TaskIntegrate) }

// validate is for a plan of one of the tasks, or none.
func (p *Plan) validate(tasks ...string) error {
	if p == nil {
		return nil
	}
	if !slices.Contains(tasks, p.Task) {
		return fmt.Errorf("the plan's task is %q: want %s", p.Task, strings.Join(tasks, " or "))
	}
	return p.Cells.Validate()
}

// ShardRequest is the input of [EmbedShard].
type ShardRequest struct {
	Plan Plan `json:"plan"`
	// Index is the number of the shard, from 0.
	Index int `json:"index"`
	// NoMemo is as in [AnalysisWorkflowRequest].
	NoMemo bool `json:"no_memo,omitempty"`
}

// Validate reports what is wrong with the request by itself.
func (r ShardRequest) Validate() error {
	if n := r.Plan.Shards(); r.Index < 0 || r.Index >= n {
		return fmt.Errorf("index is %d, but the plan has %d shards", r.Index, n)
	}
	return r.Plan.Validate()
}

// Shard is what [EmbedShard] returns.
type Shard struct {
	Index int    `json:"index"`
	Path  string `json:"path"`
	Cells int    `json:"cells"`
	// DeviceClass computed the shard, with forward passes of BatchTokens.
	DeviceClass string `json:"device_class"`
	BatchTokens int    `json:"batch_tokens"`
	// Reused is true where the file was there already, FromMemo where it is
	// the stored result of an earlier request.
	Reused   bool    `json:"reused"`
	FromMemo bool    `json:"from_memo"`
	Seconds  float64 `json:"seconds"`
}

// Discarded is what [DiscardShards] returns.
type Discarded struct {
	// Files counts the files removed.
	Files int `json:"files"`
}

// Resume is what one run of a workflow hands to the next.
type Resume struct {
	Plan Plan `json:"plan"`
	// Done counts the finished shards: all before that number.
	Done int `json:"done"`
	// Reused counts those of them that were found finished, FromMemo those
	// that were stored results.
	Reused   int `json:"reused"`
	FromMemo int `json:"from_memo"`
	// DeviceClasses are the classes that computed them, BatchTokens the
	// smallest forward pass.
	DeviceClasses []string `json:"device_classes,omitempty"`
	BatchTokens   int      `json:"batch_tokens,omitempty"`
	// Started is when the first run began, in Unix milliseconds.
	Started int64 `json:"started"`
}
