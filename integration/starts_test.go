package integration

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
)

// An activity needs no workflow: it is retried, cancelled and classed the same.
func TestActivityOfAClient(t *testing.T) {
	t.Parallel()
	c := clientTo(t, hostPort)
	a := newAgent(t, "a")
	attempts := 0
	a.onEcho = func(ctx context.Context, in Text) (Text, error) {
		switch in.Text {
		case "wrong":
			return Text{}, retry.InvalidData.Errorf("text = %q", in.Text)
		case "again":
			if attempts++; attempts == 1 {
				return Text{}, context.DeadlineExceeded
			}
		case "cancelled":
			defer agent.KeepAlive(ctx, func() any { return nil })()
			<-ctx.Done()
			return Text{}, ctx.Err()
		}
		return in, nil
	}
	a.domain.Retry.InitialInterval = time.Millisecond
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(a))
	stop := run(t, reg)
	ctx := within(t, 2*patience)
	echo := func(text string, options ...agent.ActivityStartOption) agent.ActivityRun[Text] {
		started, err := a.activity.Start(ctx, c, Text{text}, options...)
		require.NoError(t, err)
		return started
	}

	out, err := echo("again", agent.WithActivityID(a.Name())).Get(ctx)
	require.NoError(t, err)
	require.Equal(t, "again", out.Text)
	require.Equal(t, 2, attempts)
	out, err = a.activity.Get(c, a.Name(), "").Get(ctx)
	require.NoError(t, err)
	require.Equal(t, "again", out.Text)

	_, err = echo("wrong").Get(ctx)
	requireInvalid(t, err)
	require.Equal(t, `text = "wrong"`, retry.Message(err))

	slow := echo("cancelled", func(o *client.StartActivityOptions) { o.HeartbeatTimeout = patience })
	require.Eventually(t, func() bool {
		s, err := reg.AgentStatus(a.Name())
		return err == nil && len(s.Running) == 1 && s.Running[0].WorkflowID == ""
	}, patience, time.Millisecond)
	require.NoError(t, slow.Cancel(ctx, client.CancelActivityOptions{}))
	_, err = slow.Get(ctx)
	require.ErrorContains(t, err, "canceled")
	require.NoError(t, stop())
}

var (
	shopDomain = agent.Domain{Name: "shop", TaskQueue: "shop-tasks", Retry: retry.CPU()}
	shopping   = agent.NewWorkflow[Text, Text](shopDomain, "ShopWorkflow")
	report     = agent.NewWorkflow[Text, Text](shopDomain, "ReportWorkflow")
	spell      = agent.NewActivity[Text, Text](shopDomain, "spell", agent.StartToClose(time.Minute))
	order      = agent.NewSignal[Text]("order", "something to buy")
	closing    = agent.NewSignal[struct{}]("closing", "the last one")
	basket     = agent.NewUpdate[Text, Text]("basket", "buys one more, and tells all")
)

// shop has a workflow that lives on messages.
type shop struct{ agent.Base }

func (shop) Activities() []agent.Binding {
	return agent.Bind(spell.To(func(_ context.Context, in Text) (Text, error) { return Text{in.Text + "!"}, nil }))
}

func (shop) Workflows() []agent.Binding {
	return agent.Bind(
		report.To(func(ctx workflow.Context, in Text) (Text, error) { return spell.ExecuteLocal(ctx, in) }),
		shopping.To(func(ctx workflow.Context, in Text) (Text, error) {
			all := in.Text
			open, orders, last := true, order.Channel(ctx), closing.Channel(ctx)
			take := func() {
				for orders.Len() > 0 {
					if what, ok, err := orders.ReceiveAsync(); ok && err == nil {
						all += " " + what.Text
					}
				}
			}
			// A signal and an update of one workflow task: the update's handler may run before the main coroutine has
			// received the signal, so that it first takes what was ordered before it.
			buy := func(_ workflow.Context, what Text) (Text, error) {
				take()
				all += " " + what.Text
				return Text{all}, nil
			}
			if err := basket.Handle(ctx, buy, nil); err != nil {
				return Text{}, err
			}
			for open || orders.Len() > 0 {
				workflow.NewSelector(ctx).
					AddReceive(orders.ReceiveChannel, func(workflow.ReceiveChannel, bool) { take() }).
					AddReceive(last.ReceiveChannel, func(workflow.ReceiveChannel, bool) {
						_, _, _ = last.ReceiveAsync()
						open = false
					}).
					Select(ctx)
			}
			// It outlives this workflow, and so must have started.
			child, err := report.ExecuteAsync(ctx, Text{all}, func(o *workflow.ChildWorkflowOptions) {
				o.WorkflowID = workflow.GetInfo(ctx).WorkflowExecution.ID + "-report"
				o.ParentClosePolicy = enumspb.PARENT_CLOSE_POLICY_ABANDON
			}).Started(ctx)
			return Text{child.ID}, err
		}),
	)
}

// Whoever comes first with a message makes the workflow.
func TestMessagesWithStart(t *testing.T) {
	t.Parallel()
	c := clientTo(t, hostPort)
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(shop{shopDomain.Base()}))
	stop := run(t, reg)
	ctx := within(t, 2*patience)
	start := shopping.WithStart("corner", Text{"bag:"}, agent.StaticSummary("the shop at the corner"))

	require.NoError(t, order.SendWithStart(ctx, c, start, Text{"milk"}))
	got, err := basket.ExecuteWithStart(ctx, c, start, Text{"eggs"})
	require.NoError(t, err)
	require.Equal(t, "bag: milk eggs", got.Text)
	got, err = basket.ExecuteWithStart(ctx, c, start, Text{"salt"}, agent.WithUpdateID("once"))
	require.NoError(t, err)
	again, err := basket.ExecuteWithStart(ctx, c, start, Text{"salt"}, agent.WithUpdateID("once"))
	require.NoError(t, err)
	require.Equal(t, got, again)
	require.NoError(t, closing.Send(ctx, c, "corner", "", struct{}{}))
	child, err := shopping.Get(c, "corner", "").Get(ctx)
	require.NoError(t, err)
	require.Equal(t, "corner-report", child.Text)
	out, err := report.Get(c, child.Text, "").Get(ctx)
	require.NoError(t, err)
	require.Equal(t, "bag: milk eggs salt!", out.Text)
	require.NoError(t, stop())
}

// A schedule starts the workflow, with the input that was checked.
func TestSchedule(t *testing.T) {
	t.Parallel()
	c := clientTo(t, hostPort)
	a := newAgent(t, "a")
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(a))
	stop := run(t, reg)
	ctx := within(t, 2*patience)
	action, err := a.workflow.ScheduleAction(Text{"nightly"}, agent.WithID(a.Name()+"-nightly"))
	require.NoError(t, err)
	handle, err := c.ScheduleClient().Create(ctx, client.ScheduleOptions{ID: a.Name(), Action: action, TriggerImmediately: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = handle.Delete(context.WithoutCancel(ctx)) })

	var id string
	require.Eventually(t, func() bool {
		found, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: `TaskQueue = "` + a.TaskQueue() + `"`})
		if err != nil || len(found.GetExecutions()) != 1 {
			return false
		}
		id = found.GetExecutions()[0].GetExecution().GetWorkflowId()
		return true
	}, patience, 20*time.Millisecond, "the schedule started nothing")
	out, err := a.workflow.Get(c, id, "").Get(ctx)
	require.NoError(t, err)
	require.Equal(t, "nightly", out.Text)
	require.NoError(t, stop())
}
