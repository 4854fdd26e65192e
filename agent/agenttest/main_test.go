package agenttest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.temporal.io/sdk/workflow"
	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The contract of the agent greeter, which the tests use.

type name struct {
	First string `json:"first"`
}

func (n name) Validate() error {
	if n.First == "" {
		return errors.New("first is empty")
	}
	return nil
}

type greeting struct {
	Text string `json:"text"`
}

type number struct {
	Number string `json:"number"`
}

var (
	domain    = agent.Domain{Name: "greeter", TaskQueue: "greeter-tasks", Retry: retry.CPU()}
	greet     = agent.NewActivity[name, greeting](domain, "greet")
	hello     = agent.NewWorkflow[name, greeting](domain, "HelloWorkflow")
	greetMore = agent.NewSignal[name]("greet_more", "whom to greet too")
	greetings = agent.NewQuery[[]greeting]("greetings", "the greetings so far")
	finish    = agent.NewUpdate[struct{}, greeting]("finish", "ends the workflow")
	party     = agent.NewWorkflow[name, []greeting](domain, "PartyWorkflow")

	phonebook = agent.Domain{Name: "phonebook", TaskQueue: "phonebook-tasks", Retry: retry.API()}
	lookup    = agent.NewActivity[name, number](phonebook, "look_up")
	dial      = agent.NewWorkflow[number, greeting](phonebook, "DialWorkflow")
	callUp    = agent.NewWorkflow[name, greeting](domain, "CallUpWorkflow")
)

// greeter is an agent that does everything right.
type greeter struct {
	agent.Base
	salutation string // set by Start
}

func newGreeter() *greeter { return &greeter{Base: domain.Base()} }

func (g *greeter) Start(context.Context) error { g.salutation = "Hello"; return nil }
func (g *greeter) Stop(context.Context) error  { g.salutation = ""; return nil }

func (g *greeter) Activities() []agent.Binding { return agent.Bind(greet.To(g.greet)) }
func (g *greeter) Workflows() []agent.Binding {
	return agent.Bind(hello.To(helloWorkflow), party.To(partyWorkflow), callUp.To(callUpWorkflow))
}

func (g *greeter) greet(_ context.Context, n name) (greeting, error) {
	if g.salutation == "" {
		return greeting{}, errors.New("not started")
	}
	if n.First == "Nobody" {
		return greeting{}, retry.ModelNotFound.Errorf("there is no %s", n.First)
	}
	return greeting{g.salutation + " " + n.First}, nil
}

func helloWorkflow(ctx workflow.Context, n name) (greeting, error) { return greet.Execute(ctx, n) }

// partyWorkflow greets until it is told to finish.
func partyWorkflow(ctx workflow.Context, n name) ([]greeting, error) {
	var all []greeting
	finished := false
	say := func(n name) error {
		g, err := greet.Execute(ctx, n)
		all = append(all, g)
		return err
	}
	err := errors.Join(
		greetings.Handle(ctx, func() ([]greeting, error) { return all, nil }),
		finish.Handle(ctx, func(ctx workflow.Context, _ struct{}) (greeting, error) {
			finished = true
			return greet.Execute(ctx, name{First: "all"})
		}, func(workflow.Context, struct{}) error {
			if len(all) < 2 {
				return retry.InvalidData.Errorf("only %d are there", len(all))
			}
			return nil
		}),
		say(n),
	)
	more := greetMore.Channel(ctx)
	for err == nil {
		if err = workflow.Await(ctx, func() bool { return finished || more.Len() > 0 }); err != nil || finished {
			break
		}
		n, _, receiveErr := more.ReceiveAsync()
		if receiveErr != nil {
			workflow.GetLogger(ctx).Warn("nobody to greet", "error", receiveErr)
			continue
		}
		err = say(n)
	}
	if err != nil {
		return nil, err
	}
	return all, workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
}

// callUpWorkflow calls an activity and a workflow of another agent.
func callUpWorkflow(ctx workflow.Context, n name) (greeting, error) {
	no, err := lookup.Execute(ctx, n)
	if err != nil {
		return greeting{}, fmt.Errorf("look up: %w", err)
	}
	return dial.Execute(ctx, no)
}
