package api

import (
	"time"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
)

// Domain is what the definitions of foogpt have in common. The policy is that
// of a remote service, since naming is the kind of work that one does.
var Domain = agent.Domain{Name: "foogpt", TaskQueue: "foogpt-tasks", Retry: retry.API()}

var (
	// NameClusters is the activity: other agents' workflows call it.
	NameClusters = agent.NewActivity[NameClustersRequest, NameClustersResponse](Domain, "name_clusters",
		agent.StartToClose(time.Minute))

	// Naming is the workflow: services start it.
	Naming = agent.NewWorkflow[NameClustersRequest, NamingWorkflowResult](Domain, "FooGPTNamingWorkflow")
)
