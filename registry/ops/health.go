package ops

import "github.com/seed-ab6af24b/troupe/registry"

type live struct {
	Live bool `json:"live"`
	// Missing says by agent what failed.
	Missing map[string]string `json:"missing,omitempty"`
}

// liveness is lost when a new process is all that could help.
func liveness(all []registry.Status) live {
	answer := live{Missing: map[string]string{}}
	for _, s := range all {
		if s.State != registry.StateFailed {
			return live{Live: true}
		}
		answer.Missing[s.Agent] = missing(s)
	}
	answer.Live = len(all) == 0
	return answer
}

type ready struct {
	Ready bool `json:"ready"`
	// Missing says by agent what it is waiting for.
	Missing map[string]string `json:"missing,omitempty"`
}

func readiness(all []registry.Status) ready {
	answer := ready{Ready: len(all) > 0, Missing: map[string]string{}}
	for _, s := range all {
		if !s.Ready {
			answer.Ready = false
			answer.Missing[s.Agent] = missing(s)
		}
	}
	return answer
}

type agentReady struct {
	Name    string `json:"name"`
	Ready   bool   `json:"ready"`
	Missing string `json:"missing,omitempty"`
}

// missing says why an agent is not ready, "" if it is.
func missing(s registry.Status) string {
	if s.Ready {
		return ""
	}
	what := string(s.State)
	if s.Doing != "" {
		what += ": " + s.Doing
	}
	if s.LastError != nil {
		what += ": " + s.LastError.Error()
	}
	return what
}
