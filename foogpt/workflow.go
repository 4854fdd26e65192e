package foogpt

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/foogpt/api"
)

// naming is FooGPTNamingWorkflow.
func naming(ctx workflow.Context, req api.NameClustersRequest) (api.NamingWorkflowResult, error) {
	named, err := api.NameClusters.Execute(ctx, req, agent.Summary(fmt.Sprintf("%d clusters", len(req.Clusters))))
	if err != nil {
		return api.NamingWorkflowResult{}, err
	}
	return api.NamingWorkflowResult{Status: api.StatusComplete, NameClustersResponse: named}, nil
}
