package devserver

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

func TestSmoke(t *testing.T) {
	t0 := time.Now()
	s, err := Start(t.Context(), Options{Port: AnyPort})
	require.NoError(t, err)
	t.Log(s.HostPort(), s.UIURL(), s.Notices(), time.Since(t0))
	c, err := client.Dial(client.Options{HostPort: s.HostPort(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	w := worker.New(c, "q", worker.Options{})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context) (string, error) { return "hi", nil }, workflow.RegisterOptions{Name: "hello"})
	require.NoError(t, w.Start())
	run, err := c.ExecuteWorkflow(context.Background(), client.StartWorkflowOptions{TaskQueue: "q"}, "hello")
	require.NoError(t, err)
	require.NoError(t, run.Get(context.Background(), nil))
	t.Log("first", time.Since(t0))
	w.Stop()
	c.Close()
	t0 = time.Now()
	require.NoError(t, s.Stop())
	t.Log("stop", time.Since(t0))
}
