package letters

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
)

// version is the agent as one build has it.
type version struct {
	agent.Base
	build        string
	delivery     func(workflow.Context, *journey) error
	subscription func(workflow.Context, *journey) error
}

// New returns the agent of a build, v1 or v2.
func New(build string) (agent.Agent, error) {
	switch build {
	case "v1":
		return &version{Domain.Base(), build, deliveryV1, subscriptionV1}, nil
	case "v2":
		return &version{Domain.Base(), build, deliveryV2, subscriptionV2}, nil
	default:
		return nil, fmt.Errorf("there is no build %q: want v1 or v2", build)
	}
}

// Workflows implements agent.Agent, and says which of them stay with the version
// that began them.
func (v *version) Workflows() []agent.Binding {
	return agent.Bind(
		Delivery.To(telling(v.delivery)).Pinned(),
		Subscription.To(telling(v.subscription)).AutoUpgrade())
}

// Activities implements agent.Agent.
func (v *version) Activities() []agent.Binding {
	return agent.Bind(Handle.To(func(_ context.Context, s Step) (string, error) {
		return fmt.Sprintf("%s: %s the letter to %s", v.build, s.Action, s.Letter.To), nil
	}))
}

// journey is what both workflows have in common.
type journey struct {
	letter Letter
	story  Story
}

func telling(f func(workflow.Context, *journey) error) func(workflow.Context, Letter) (Story, error) {
	return func(ctx workflow.Context, l Letter) (Story, error) {
		j := &journey{letter: l}
		if err := Told.Handle(ctx, func() (Story, error) { return j.story, nil }); err != nil {
			return Story{}, err
		}
		err := f(ctx, j)
		return j.story, err
	}
}

// untilToldToGoOn, as an action, waits for the signal.
const untilToldToGoOn = ""

// do takes one action after the other, as far as they go well.
func (j *journey) do(ctx workflow.Context, actions ...string) error {
	for _, action := range actions {
		if action == untilToldToGoOn {
			if _, err := GoOn.Receive(ctx); err != nil {
				return err
			}
			continue
		}
		done, err := Handle.Execute(ctx, Step{j.letter, action})
		if err != nil {
			return err
		}
		j.story.Steps = append(j.story.Steps, done)
	}
	return nil
}
