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

// PlanTimeout bounds an attempt at [PlanCells]. It reads a file whose size nobody
// knows before several times: for its sum, to sort a matrix that lies by genes, to
// choose genes. A worker that is gone is found by its heartbeats, much sooner.
const PlanTimeout = 12 * time.Hour

// The agent's activities. Those that compute wait for a cancellation to take
// effect, so that nothing works on behind the back of a workflow that has ended.
var (
	// PlanCells looks at a file and a model and divides the work into shards.
	PlanCells = agent.NewActivity[PlanRequest, Plan](Domain, "plan_cells",
		agent.StartToClose(PlanTimeout), agent.Heartbeat(HeartbeatTimeout))
	// EmbedShard computes the embeddings of a run of cells into a file.
	EmbedShard = agent.NewActivity[ShardRequest, Shard](Domain, "embed_shard",
		agent.StartToClose(10*time.Minute), agent.Heartbeat(HeartbeatTimeout), agent.WaitForCancellation())
	// AnnotateCellTypes labels the cells of a file and writes an annotated copy.
	AnnotateCellTypes = agent.NewActivity[AnnotationRequest, AnnotationResponse](Domain, "annotate_cell_types",
		agent.StartToClose(10*time.Minute), agent.Heartbeat(HeartbeatTimeout), agent.WaitForCancellation())
	// EmbedCells writes a copy of a file with the embeddings of its cells.
	EmbedCells = agent.NewActivity[CellEmbeddingRequest, CellEmbeddingResponse](Domain, "embed_cells",
		agent.StartToClose(10*time.Minute), agent.Heartbeat(HeartbeatTimeout), agent.WaitForCancellation())
	// IntegrateBatches embeds the cells of several batches such that batches
	// mix, and measures whether they do.
	IntegrateBatches = agent.NewActivity[BatchIntegrationRequest, BatchIntegrationResponse](Domain, "integrate_batches",
		agent.StartToClose(10*time.Minute), agent.Heartbeat(HeartbeatTimeout), agent.WaitForCancellation())
	// GetGeneEmbeddings returns the model's vectors of genes.
	GetGeneEmbeddings = agent.NewActivity[EmbeddingRequest, EmbeddingResponse](Domain, "get_gene_embeddings",
		agent.StartToClose(5*time.Minute), agent.Heartbeat(HeartbeatTimeout))
	// ClusterCells finds clusters among the cells that have no label, and the
	// genes that mark them.
	ClusterCells = agent.NewActivity[ClusterRequest, ClusterResponse](Domain, "cluster_cells",
		agent.StartToClose(10*time.Minute), agent.Heartbeat(HeartbeatTimeout), agent.WaitForCancellation())
	// NameCells writes the names of clusters into an annotated copy.
	NameCells = agent.NewActivity[NameCellsRequest, NamedCells](Domain, "name_cells",
		agent.StartToClose(10*time.Minute), agent.Heartbeat(HeartbeatTimeout), agent.WaitForCancellation())
	// DiscardShards removes the shard files of a plan.
	DiscardShards = agent.NewActivity[Plan, Discarded](Domain, "discard_shards",
		agent.StartToClose(time.Minute), agent.ScheduleToClose(5*time.Minute))
)

// The agent's workflows. Each of those beside Analysis is one operation alone, in
// shards where there are many cells.
var (
	// Analysis labels the cells of a file and looks up the embeddings of
	// marker genes; it integrates batches and names clusters of cells without
	// a label where it is asked to.
	Analysis = agent.NewWorkflow[AnalysisWorkflowRequest, AnalysisWorkflowResult](Domain, "ScGPTAnalysisWorkflow")
	// Annotation labels the cells of a file.
	Annotation = agent.NewWorkflow[AnnotationRequest, AnnotationResponse](Domain, "ScGPTAnnotationWorkflow")
	// Integration embeds the cells of several batches.
	Integration = agent.NewWorkflow[BatchIntegrationRequest, BatchIntegrationResponse](Domain, "ScGPTIntegrationWorkflow")
	// CellEmbedding embeds the cells of a file.
	CellEmbedding = agent.NewWorkflow[CellEmbeddingRequest, CellEmbeddingResponse](Domain, "ScGPTCellEmbeddingWorkflow")
	// GeneEmbedding looks up the embeddings of genes.
	GeneEmbedding = agent.NewWorkflow[EmbeddingRequest, EmbeddingResponse](Domain, "ScGPTGeneEmbeddingWorkflow")
)

// ProgressQuery tells how far a workflow is, and StatusQuery the phase alone.
// Every workflow of the agent answers both.
var (
	ProgressQuery = agent.NewQuery[Progress]("progress", "phase, and how many shards and cells are done")
	StatusQuery   = agent.NewQuery[string]("status", "the phase: planning, embedding, annotating … complete")
)
