package agenttest

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/agent"
)

func checkRegistration(_ context.Context, newAgent func() agent.Agent) error {
	register := func(what string, f func(a agent.Agent) error) error {
		if err := guard(func() error { return f(newAgent()) }); err != nil {
			return fmt.Errorf("register with a %s: %w", what, err)
		}
		return nil
	}
	return errors.Join(
		register("worker", registerWithWorker),
		register("test environment", func(a agent.Agent) error {
			var suite testsuite.WorkflowTestSuite
			suite.SetLogger(silent)
			env := suite.NewTestWorkflowEnvironment()
			agent.RegisterWorkflows(env, a)
			agent.RegisterActivities(env, a)
			return nil
		}),
		register("replayer", func(a agent.Agent) error {
			agent.RegisterWorkflows(worker.NewWorkflowReplayer(), a)
			return nil
		}),
	)
}

// registerWithWorker uses a worker that is never started, so its client never
// looks for the server.
func registerWithWorker(a agent.Agent) error {
	c, err := client.NewLazyClient(client.Options{Logger: silent})
	if err != nil {
		return err
	}
	defer c.Close()
	var o worker.Options
	if configurer, ok := a.(agent.WorkerConfigurer); ok {
		configurer.ConfigureWorker(&o)
	}
	w := worker.New(c, a.TaskQueue(), o)
	agent.RegisterWorkflows(w, a)
	agent.RegisterActivities(w, a)
	return nil
}
