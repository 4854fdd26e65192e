package foogpt

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/foogpt/api"
)

// clustersPerActivity is how many clusters one activity names: few enough for
// a language model to answer well within a minute. Recorded histories depend
// on it: it changes behind workflow.GetVersion only.
const clustersPerActivity = 20

// naming is FooGPTNamingWorkflow. It names parts of the clusters at once, each
// tried again by itself; the rate of the task queue holds them back.
func naming(ctx workflow.Context, req api.NameClustersRequest) (api.NamingWorkflowResult, error) {
	var parts []agent.Future[api.NameClustersResponse]
	for clusters := range slices.Chunk(req.Clusters, clustersPerActivity) {
		part := api.NameClustersRequest{Clusters: clusters, Tissue: req.Tissue}
		parts = append(parts, api.NameClusters.ExecuteAsync(ctx, part, agent.Summary(fmt.Sprintf("%d clusters", len(clusters)))))
	}
	result := api.NamingWorkflowResult{Status: api.StatusComplete}
	for _, part := range parts {
		named, err := part.Get(ctx)
		if err != nil {
			return api.NamingWorkflowResult{}, err
		}
		result.Method = named.Method
		result.Names = append(result.Names, named.Names...)
	}
	return result, nil
}
