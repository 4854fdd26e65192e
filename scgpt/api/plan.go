package api

import (
	"errors"
	"fmt"
)

// PlanRequest is the input of [PlanCells].
type PlanRequest struct {
	ExpressionData string      `json:"expression_data"`
	Model          string      `json:"model,omitempty"`
	Out            string      `json:"out,omitempty"`
	Cells          CellOptions `json:"cells,omitzero"`
	ShardCells     int         `json:"shard_cells,omitempty"`
}

// Validate reports what is wrong with the request by itself.
func (r PlanRequest) Validate() error {
	if r.ExpressionData == "" {
		return errors.New("expression_data is empty: want the path of an .h5ad file")
	}
	if r.ShardCells < 0 {
		return fmt.Errorf("shard_cells is %d: want 0 or more", r.ShardCells)
	}
	return r.Cells.Validate()
}

// Plan is what [PlanCells] found and decided. The shards are runs of
// ShardCells cells, the last one shorter.
type Plan struct {
	ExpressionData string      `json:"expression_data"`
	Model          string      `json:"model"`
	Out            string      `json:"out"`
	Cells          CellOptions `json:"cells,omitzero"`
	// NObs counts the cells.
	NObs       int       `json:"n_obs"`
	ShardCells int       `json:"shard_cells"`
	GeneMatch  GeneMatch `json:"gene_match"`
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

// ShardRequest is the input of [EmbedShard].
type ShardRequest struct {
	Plan Plan `json:"plan"`
	// Index is the number of the shard, from 0.
	Index int `json:"index"`
}

// Validate reports what is wrong with the request by itself.
func (r ShardRequest) Validate() error {
	if n := r.Plan.Shards(); r.Index < 0 || r.Index >= n {
		return fmt.Errorf("index is %d, but the plan has %d shards", r.Index, n)
	}
	return r.Plan.Cells.Validate()
}

// Shard is what [EmbedShard] returns.
type Shard struct {
	Index int    `json:"index"`
	Path  string `json:"path"`
	Cells int    `json:"cells"`
	// DeviceClass computed the shard.
	DeviceClass string `json:"device_class"`
	// Reused is true where the file was there already.
	Reused  bool    `json:"reused"`
	Seconds float64 `json:"seconds"`
}

// Discarded is what [DiscardShards] returns.
type Discarded struct {
	// Files counts the files removed.
	Files int `json:"files"`
}
