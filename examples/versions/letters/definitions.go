// Package letters has two versions of one agent, to be deployed one beside the
// other while workflows of the first are under way.
//
// In a program of your own the two are one file at two commits; here they are
// v1.go and v2.go, so that both can be seen.
package letters

import (
	"time"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
)

// Domain is the agent's, the same in all versions.
var Domain = agent.Domain{Name: "letters", TaskQueue: "letters-tasks", Retry: retry.CPU()}

// The contract, which both versions keep.
var (
	// Delivery carries one letter. It takes days at most, and is pinned.
	Delivery = agent.NewWorkflow[Letter, Story](Domain, "DeliveryWorkflow")
	// Subscription sends one issue after the other. It takes years, and moves
	// to new versions.
	Subscription = agent.NewWorkflow[Letter, Story](Domain, "SubscriptionWorkflow")

	// GoOn lets a workflow take its next step.
	GoOn = agent.NewSignal[struct{}]("go_on", "take the next step")
	// Told is what a workflow has done so far.
	Told = agent.NewQuery[Story]("story", "what was done, and by which version")

	// Handle is one step of the work.
	Handle = agent.NewActivity[Step, string](Domain, "handle_letter", agent.StartToClose(10*time.Second))
)

// Letter is what is sent.
type Letter struct {
	To string `json:"to"`
}

// Step is a part of the work on a letter.
type Step struct {
	Letter Letter `json:"letter"`
	Action string `json:"action"`
}

// Story tells what was done, one line a step, with the version that did it.
type Story struct {
	Steps []string `json:"steps"`
}

// Issues is how many issues a subscription has.
const Issues = 3
