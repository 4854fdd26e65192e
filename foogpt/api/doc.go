// Package api is the contract of the foogpt agent, which names clusters of
// cells after the genes that mark them.
//
// Callers import this package alone, from any service, and compile nothing of
// the agent:
//
//	run, err := api.Naming.Start(ctx, temporalClient, api.NameClustersRequest{
//		Clusters: []api.Cluster{{ID: "0", Genes: []string{"CD79A", "MS4A1"}}},
//	})
//	if err != nil { … }
//	result, err := run.Get(ctx) // result.Names[0].Name == "B cell"
//
// Clients in other languages start the workflow FooGPTNamingWorkflow on the
// task queue foogpt-tasks with the same request as JSON.
package api
