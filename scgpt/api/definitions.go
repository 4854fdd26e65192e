package api

import (
	"time"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
)

// Domain is the scGPT agent's: queue scgpt-tasks, the policy for GPU work.
var Domain = agent.Domain{Name: "scgpt", TaskQueue: "scgpt-tasks", Retry: retry.GPU()}

// HeartbeatTimeout is how long the server waits for a sign of life of an
// activity. The agent beats twice a second.
const HeartbeatTimeout = 30 * time.Second

// The agent's activities.
var (
	// PlanCells looks at a file and a model and divides the work into shards.
	PlanCells = agent.NewActivity[PlanRequest, Plan](Domain, "plan_cells",
		agent.StartToClose(10*time.Minute), agent.Heartbeat(HeartbeatTimeout))
	// EmbedShard computes the embeddings of a run of cells into a file.
	EmbedShard = agent.NewActivity[ShardRequest, Shard](Domain, "embed_shard",
		agent.StartToClose(10*time.Minute), agent.Heartbeat(HeartbeatTimeout), agent.WaitForCancellation())
	// AnnotateCellTypes labels the cells of a file and writes an annotated copy.
	AnnotateCellTypes = agent.NewActivity[AnnotationRequest, AnnotationResponse](Domain, "annotate_cell_types",
		agent.StartToClose(10*time.Minute), agent.Heartbeat(HeartbeatTimeout))
	// DiscardShards removes the shard files of a plan.
	DiscardShards = agent.NewActivity[Plan, Discarded](Domain, "discard_shards",
		agent.StartToClose(time.Minute), agent.ScheduleToClose(5*time.Minute))
	// GetGeneEmbeddings returns the model's vectors of genes.
	GetGeneEmbeddings = agent.NewActivity[EmbeddingRequest, EmbeddingResponse](Domain, "get_gene_embeddings",
		agent.StartToClose(5*time.Minute), agent.Heartbeat(HeartbeatTimeout))
)

// The agent's workflows.
var (
	// Analysis labels the cells of a file, in shards over all workers on the
	// queue, and looks up the embeddings of marker genes.
	Analysis = agent.NewWorkflow[AnalysisWorkflowRequest, AnalysisWorkflowResult](Domain, "ScGPTAnalysisWorkflow")
)

// ProgressQuery tells how far an analysis is.
var ProgressQuery = agent.NewQuery[Progress]("progress", "phase, and how many shards and cells are done")
