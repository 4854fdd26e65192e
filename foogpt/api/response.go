package api

// NameClustersResponse holds one name for each cluster, in the request's order.
type NameClustersResponse struct {
	Names []ClusterName `json:"names"`
	// Method is how the names were found: [MethodMarkers] or [MethodChat].
	// The worker's options decide.
	Method string `json:"method"`
}

// The methods.
const (
	MethodMarkers = "markers" // compares the genes with a table of well-known markers
	MethodChat    = "chat"    // asks a language model
)

// Unknown is the name of a cluster whose genes support none.
const Unknown = "unknown"

// ClusterName is what a cluster is taken for.
type ClusterName struct {
	// ID is that of the request's cluster.
	ID string `json:"id"`
	// Name is a cell type, or [Unknown]. A language model uses its own
	// words, of at most [MaxNameBytes] bytes.
	Name string `json:"name"`
	// Confidence is between 0, for [Unknown], and 1, for strong evidence
	// without any rival. It orders names; it is not a probability. With
	// [MethodChat] it is what the model says of itself.
	Confidence float64 `json:"confidence"`
	// Evidence holds the genes of the cluster that speak for the name, best
	// first; empty for [Unknown].
	Evidence []string `json:"evidence"`
	// Source is where those genes are published as markers of the type, empty
	// for [Unknown]; with [MethodChat], the model that gave the name.
	Source string `json:"source,omitempty"`
}

// NamingWorkflowResult is what the workflow returns.
type NamingWorkflowResult struct {
	// Status is [StatusComplete].
	Status string `json:"status"`
	NameClustersResponse
}

// StatusComplete is the status of a result in which every cluster has a name.
const StatusComplete = "complete"
