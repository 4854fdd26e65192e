package registry

import "slices"

// State is where an agent is in its life:
//
//	New ─────▶ Starting ◀───▶ Ready
//	 │          │    │         │
//	 │          │    ╰─────▶ Failed
//	 ▼          ▼              │  ▲
//	Draining ◀──┴──────────────╯  │
//	 │  ╰─────────────────────────╯
//	 ▼
//	Stopped
//
// Starting covers everything on the way to Ready, also the way back: an agent
// that lost its server, its health or its worker is Starting again, and its
// status says why. Stopped and Failed are final.
type State string

const (
	// StateNew means: registered; the registry does not run yet.
	StateNew State = "new"
	// StateStarting means: not able to work at present; being brought there.
	StateStarting State = "starting"
	// StateReady means: takes work.
	StateReady State = "ready"
	// StateDraining means: takes no more work and finishes what it has.
	StateDraining State = "draining"
	// StateStopped means: ended as it was asked to.
	StateStopped State = "stopped"
	// StateFailed means: ended by an error that trying again does not cure, or
	// whose Stop failed.
	StateFailed State = "failed"
)

var nextStates = map[State][]State{
	StateNew:      {StateStarting, StateDraining, StateStopped},
	StateStarting: {StateReady, StateDraining, StateFailed},
	StateReady:    {StateStarting, StateDraining},
	StateDraining: {StateStopped, StateFailed},
}

// Final reports whether the state is never left.
func (s State) Final() bool { return s == StateStopped || s == StateFailed }

// mayBecome reports whether next may follow s.
func (s State) mayBecome(next State) bool { return slices.Contains(nextStates[s], next) }
