// Package pollers finds out who polls a task queue. The queue is a number of
// partitions, 4 unless the cluster says otherwise; a server that is asked about the
// queue's name answers for the first of them, the root, and lists there who polled it,
// or polled another one that had nothing to do. Of many workers on a queue, some are
// listed in other partitions only.
package pollers

import (
	"context"
	"errors"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// Queue is the task queue of one kind of task.
type Queue struct {
	Client client.Client
	// Namespace is the client's, empty where it is not known: the server then looks
	// through the partitions itself, those of unversioned workers only.
	Namespace string
	Name      string
	Type      enumspb.TaskQueueType
}

// Poller is who polled the queue in the last few minutes.
type Poller struct {
	Identity string
	Last     time.Time
}

// Find looks for a poller that is as wanted, first in the partition of that name, the
// root if it is empty, and asks about others only if it is not listed there. It returns
// the name of the partition that lists it, or else "".
func (q Queue) Find(ctx context.Context, first string, wanted func(Poller) bool) (partition string, err error) {
	asked := []string{q.Name}
	if first != "" && first != q.Name {
		asked = []string{first, q.Name}
	}
	for _, name := range asked {
		found, err := q.lists(ctx, name, wanted)
		switch {
		case found:
			return name, nil
		case err != nil && name == q.Name: // another partition may be gone
			return "", err
		}
	}
	if q.Namespace == "" {
		return q.findByServer(ctx, wanted)
	}
	others, err := q.partitions(ctx)
	if refused(err) {
		return q.findByServer(ctx, wanted)
	}
	if err != nil {
		return "", err
	}
	for _, name := range others {
		if slices.Contains(asked, name) {
			continue
		}
		found, err := q.lists(ctx, name, wanted)
		switch {
		case found:
			return name, nil
		case refused(err):
			return q.findByServer(ctx, wanted)
		case err != nil:
			return "", err
		}
	}
	return "", nil
}

// lists asks about one partition, or the root by the queue's name.
func (q Queue) lists(ctx context.Context, name string, wanted func(Poller) bool) (bool, error) {
	d, err := q.Client.DescribeTaskQueue(ctx, name, q.Type)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(d.GetPollers(), func(p *taskqueuepb.PollerInfo) bool {
		return wanted(Poller{Identity: p.GetIdentity(), Last: p.GetLastAccessTime().AsTime()})
	}), nil
}

// partitions returns the names of the queue's partitions.
func (q Queue) partitions(ctx context.Context) (names []string, err error) {
	answer, err := q.Client.WorkflowService().ListTaskQueuePartitions(ctx, &workflowservice.ListTaskQueuePartitionsRequest{
		Namespace: q.Namespace,
		TaskQueue: &taskqueuepb.TaskQueue{Name: q.Name, Kind: enumspb.TASK_QUEUE_KIND_NORMAL},
	})
	list := answer.GetWorkflowTaskQueuePartitions()
	if q.Type == enumspb.TASK_QUEUE_TYPE_ACTIVITY {
		list = answer.GetActivityTaskQueuePartitions()
	}
	for _, p := range list {
		names = append(names, p.GetKey())
	}
	return names, err
}

// findByServer has the server look through all partitions. One that does not know how
// (before 1.24) says no more than that it lists nobody.
func (q Queue) findByServer(ctx context.Context, wanted func(Poller) bool) (partition string, err error) {
	d, err := q.Client.DescribeTaskQueueEnhanced(ctx, client.DescribeTaskQueueEnhancedOptions{
		TaskQueue:      q.Name,
		TaskQueueTypes: []client.TaskQueueType{client.TaskQueueType(q.Type)},
		Versions:       &client.TaskQueueVersionSelection{Unversioned: true},
		ReportPollers:  true,
	})
	if err != nil {
		return "", ctx.Err()
	}
	for _, version := range d.VersionsInfo { //nolint:staticcheck // what it is deprecated for has no pollers
		for _, info := range version.TypesInfo {
			if slices.ContainsFunc(info.Pollers, func(p client.TaskQueuePollerInfo) bool {
				return wanted(Poller{Identity: p.Identity, Last: p.LastAccessTime})
			}) {
				return q.Name, nil
			}
		}
	}
	return "", nil
}

// refused reports whether the server does not answer such a question, to anyone or to
// this client.
func refused(err error) bool {
	var (
		unknown *serviceerror.Unimplemented
		denied  *serviceerror.PermissionDenied
		invalid *serviceerror.InvalidArgument
	)
	return errors.As(err, &unknown) || errors.As(err, &denied) || errors.As(err, &invalid)
}
