package telemetry

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seed-ab6af24b/troupe/registry"
)

// frontend is as much of a Temporal server as a worker needs to run one
// activity.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	tasks     chan *workflowservice.PollActivityTaskQueueResponse
	completed chan struct{}

	mu      sync.Mutex
	pollers []*taskqueuepb.PollerInfo
}

func (*frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{}, nil
}

func (*frontend) DescribeNamespace(context.Context, *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	return &workflowservice.DescribeNamespaceResponse{}, nil
}

func (f *frontend) DescribeTaskQueue(context.Context, *workflowservice.DescribeTaskQueueRequest) (*workflowservice.DescribeTaskQueueResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &workflowservice.DescribeTaskQueueResponse{Pollers: f.pollers}, nil
}

func (f *frontend) PollWorkflowTaskQueue(ctx context.Context, _ *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (f *frontend) PollActivityTaskQueue(ctx context.Context, r *workflowservice.PollActivityTaskQueueRequest) (*workflowservice.PollActivityTaskQueueResponse, error) {
	f.mu.Lock()
	f.pollers = append(f.pollers, &taskqueuepb.PollerInfo{Identity: r.GetIdentity()})
	f.mu.Unlock()
	select {
	case task := <-f.tasks:
		return task, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *frontend) RespondActivityTaskCompleted(context.Context, *workflowservice.RespondActivityTaskCompletedRequest) (*workflowservice.RespondActivityTaskCompletedResponse, error) {
	f.completed <- struct{}{}
	return &workflowservice.RespondActivityTaskCompletedResponse{}, nil
}

// TestWorker scrapes a registry whose agent has run an activity for a server.
func TestWorker(t *testing.T) {
	t.Parallel()
	f := &frontend{tasks: make(chan *workflowservice.PollActivityTaskQueueResponse, 1), completed: make(chan struct{}, 1)}
	server := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(server, f)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	defer serving.Wait()
	defer server.Stop()

	tel, err := New(Options{})
	require.NoError(t, err)
	reg := registry.New(registry.Options{
		Observer: tel,
		Logger:   slog.New(slog.DiscardHandler),
		ClientOptions: func(o *client.Options) {
			o.HostPort, o.Namespace = listener.Addr().String(), "lab"
		},
		StopTimeout: 5 * time.Second,
	})
	require.NoError(t, reg.Register(newTestAgent()))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- reg.Run(ctx) }()
	require.NoError(t, reg.WaitReady(ctx))

	input, err := converter.GetDefaultDataConverter().ToPayloads("well")
	require.NoError(t, err)
	f.tasks <- &workflowservice.PollActivityTaskQueueResponse{
		TaskToken:                   []byte("token"),
		ActivityId:                  "1",
		ActivityType:                &commonpb.ActivityType{Name: "work"},
		WorkflowType:                &commonpb.WorkflowType{Name: "Relay"},
		WorkflowExecution:           &commonpb.WorkflowExecution{WorkflowId: "w", RunId: "r"},
		WorkflowNamespace:           "lab",
		Input:                       input,
		Attempt:                     1,
		ScheduledTime:               timestamppb.Now(),
		CurrentAttemptScheduledTime: timestamppb.Now(),
		StartedTime:                 timestamppb.Now(),
		StartToCloseTimeout:         durationpb.New(time.Minute),
		ScheduleToCloseTimeout:      durationpb.New(time.Minute),
	}
	<-f.completed

	got := scrape(t, tel.Handler())
	require.Equal(t, map[string]float64{"agent=worker": 1}, values(got["troupe_agent_ready"], "agent"))
	require.Equal(t, map[string]float64{"agent=worker activity=work outcome=ok class=": 1},
		values(got["troupe_activity_executions_total"], "agent", "activity", "outcome", "class"))
	require.Equal(t, map[string]float64{"agent=worker activity_type=work namespace=lab task_queue=worker-tasks": 1},
		values(got["temporal_activity_execution_latency_seconds"], "agent", "activity_type", "namespace", "task_queue"))
	require.Equal(t, 1.0, values(got["temporal_worker_start_total"], "agent", "task_queue", "worker_type")["agent=worker task_queue=worker-tasks worker_type=ActivityWorker"])
	require.NotEmpty(t, values(got["temporal_request_total"], "agent", "operation")["agent=worker operation=DescribeTaskQueue"])
	require.NotEmpty(t, got["temporal_worker_task_slots_available"].GetMetric())

	cancel()
	require.NoError(t, <-ended)
}
