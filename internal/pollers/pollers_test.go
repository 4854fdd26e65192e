package pollers_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seed-ab6af24b/troupe/internal/pollers"
)

// cluster stands for a server: partitions by name, in order, and who each lists. It
// notes what it is asked.
type cluster struct {
	client.Client
	names                 []string
	lists                 map[string]string
	listErr, partitionErr error // of listing partitions, of asking about one
	rootErr, enhancedErr  error
	asked                 []string
}

var last = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func (c *cluster) WorkflowService() workflowservice.WorkflowServiceClient { return service{cluster: c} }

func (c *cluster) DescribeTaskQueue(_ context.Context, name string, t enumspb.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error) {
	c.asked = append(c.asked, name)
	switch {
	case name == "q" && c.rootErr != nil:
		return nil, c.rootErr
	case name != "q" && c.partitionErr != nil:
		return nil, c.partitionErr
	}
	d := &workflowservice.DescribeTaskQueueResponse{}
	if id := c.lists[name]; id != "" && t == enumspb.TASK_QUEUE_TYPE_ACTIVITY {
		d.Pollers = []*taskqueuepb.PollerInfo{{Identity: "another"}, {Identity: id, LastAccessTime: timestamppb.New(last)}}
	}
	return d, nil
}

// service are the cluster's calls that the SDK's client has no method for.
type service struct {
	workflowservice.WorkflowServiceClient
	cluster *cluster
}

func (s service) ListTaskQueuePartitions(_ context.Context, r *workflowservice.ListTaskQueuePartitionsRequest, _ ...grpc.CallOption) (*workflowservice.ListTaskQueuePartitionsResponse, error) {
	c := s.cluster
	c.asked = append(c.asked, "partitions of "+r.GetNamespace()+"/"+r.GetTaskQueue().GetName())
	if c.listErr != nil {
		return nil, c.listErr
	}
	answer := &workflowservice.ListTaskQueuePartitionsResponse{}
	for _, name := range c.names {
		answer.ActivityTaskQueuePartitions = append(answer.ActivityTaskQueuePartitions, &taskqueuepb.TaskQueuePartitionMetadata{Key: name})
	}
	return answer, nil
}

func (c *cluster) DescribeTaskQueueEnhanced(_ context.Context, o client.DescribeTaskQueueEnhancedOptions) (client.TaskQueueDescription, error) {
	c.asked = append(c.asked, "all of "+o.TaskQueue)
	var list []client.TaskQueuePollerInfo
	for _, name := range c.names {
		list = append(list, client.TaskQueuePollerInfo{Identity: c.lists[name], LastAccessTime: last})
	}
	return client.TaskQueueDescription{VersionsInfo: map[string]client.TaskQueueVersionInfo{ //nolint:staticcheck // what it is deprecated for has no pollers
		"": {TypesInfo: map[client.TaskQueueType]client.TaskQueueTypeInfo{client.TaskQueueTypeActivity: {Pollers: list}}},
	}}, c.enhancedErr
}

func TestFind(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	four := []string{"q", "/_sys/q/1", "/_sys/q/2", "/_sys/q/3"}
	in := func(name string) map[string]string { return map[string]string{name: "me"} }
	for name, c := range map[string]struct {
		cluster   cluster
		namespace string
		first     string
		want      string
		err       error
		asked     []string
	}{
		"in the root": {cluster: cluster{names: four, lists: in("q")}, namespace: "n", want: "q", asked: []string{"q"}},
		"elsewhere": {cluster: cluster{names: four, lists: in("/_sys/q/2")}, namespace: "n", want: "/_sys/q/2",
			asked: []string{"q", "partitions of n/q", "/_sys/q/1", "/_sys/q/2"}},
		"where it was before": {cluster: cluster{names: four, lists: in("/_sys/q/2")}, namespace: "n", first: "/_sys/q/2", want: "/_sys/q/2",
			asked: []string{"/_sys/q/2"}},
		"no longer where it was before": {cluster: cluster{names: four, lists: in("/_sys/q/1")}, namespace: "n", first: "/_sys/q/2", want: "/_sys/q/1",
			asked: []string{"/_sys/q/2", "q", "partitions of n/q", "/_sys/q/1"}},
		"nowhere": {cluster: cluster{names: four}, namespace: "n",
			asked: []string{"q", "partitions of n/q", "/_sys/q/1", "/_sys/q/2", "/_sys/q/3"}},
		"one partition": {cluster: cluster{names: four[:1]}, namespace: "n", asked: []string{"q", "partitions of n/q"}},
		"a namespace that is not known": {cluster: cluster{names: four, lists: in("/_sys/q/2")}, want: "q",
			asked: []string{"q", "all of q"}},
		"no list of partitions": {cluster: cluster{names: four, lists: in("/_sys/q/2"), listErr: serviceerror.NewUnimplemented("")}, namespace: "n", want: "q",
			asked: []string{"q", "partitions of n/q", "all of q"}},
		"a list that is denied": {cluster: cluster{names: four, lists: in("/_sys/q/2"), listErr: serviceerror.NewPermissionDenied("", "")}, namespace: "n", want: "q",
			asked: []string{"q", "partitions of n/q", "all of q"}},
		"no names of partitions": {cluster: cluster{names: four, lists: in("/_sys/q/2"), partitionErr: serviceerror.NewInvalidArgument("")}, namespace: "n", want: "q",
			asked: []string{"q", "partitions of n/q", "/_sys/q/1", "all of q"}},
		"an old server": {cluster: cluster{names: four, lists: in("/_sys/q/2"), listErr: serviceerror.NewUnimplemented(""), enhancedErr: broken}, namespace: "n",
			asked: []string{"q", "partitions of n/q", "all of q"}},
		"no answer": {cluster: cluster{names: four, rootErr: broken}, namespace: "n", err: broken, asked: []string{"q"}},
		"no answer about the partitions": {cluster: cluster{names: four, listErr: broken}, namespace: "n", err: broken,
			asked: []string{"q", "partitions of n/q"}},
		"no answer about a partition": {cluster: cluster{names: four, partitionErr: broken}, namespace: "n", err: broken,
			asked: []string{"q", "partitions of n/q", "/_sys/q/1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := pollers.Queue{Client: &c.cluster, Namespace: c.namespace, Name: "q", Type: enumspb.TASK_QUEUE_TYPE_ACTIVITY}
			got, err := q.Find(t.Context(), c.first, func(p pollers.Poller) bool { return p.Identity == "me" && p.Last.Equal(last) })
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.want, got)
			require.Equal(t, c.asked, c.cluster.asked)
		})
	}
}
