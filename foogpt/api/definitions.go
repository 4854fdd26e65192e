package api

import (
	"time"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
)

// Domain is what the definitions of foogpt have in common. The policy is that
// of a remote service.
var Domain = agent.Domain{Name: "foogpt", TaskQueue: "foogpt-tasks", Retry: retry.API()}

var (
	// NameClusters is the activity: other agents' workflows call it, with at
	// most 20 clusters or so for a language model, which has the one minute.
	NameClusters = agent.NewActivity[NameClustersRequest, NameClustersResponse](Domain, "name_clusters",
		agent.StartToClose(time.Minute))

	// Naming is the workflow: services start it. It names large requests in
	// parts, at the same time.
	Naming = agent.NewWorkflow[NameClustersRequest, NamingWorkflowResult](Domain, "FooGPTNamingWorkflow")
)
