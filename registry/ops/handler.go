package ops

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/seed-ab6af24b/troupe/registry"
)

// Handler returns the handler of the package comment's routes. It only reads
// from the registry and may be used before, while and after that runs.
func Handler(reg *registry.Registry, opts ...Option) http.Handler {
	var o options
	for _, set := range opts {
		set(&o)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/health/live", func(w http.ResponseWriter, r *http.Request) {
		answer := liveness(reg.Status())
		if !o.allows(r) {
			answer.Missing = nil
		}
		reply(w, answer.Live, answer)
	})
	mux.HandleFunc("GET /v2/health/ready", func(w http.ResponseWriter, r *http.Request) {
		answer := readiness(reg.Status())
		if !o.allows(r) {
			answer.Missing = nil
		}
		reply(w, answer.Ready, answer)
	})
	mux.HandleFunc("GET /v2/models/{agent}/ready", func(w http.ResponseWriter, r *http.Request) {
		s, err := reg.AgentStatus(r.PathValue("agent"))
		switch {
		case err != nil && o.allows(r):
			notFound(w, err)
		case err != nil:
			notFound(w, errNoAgent)
		case o.allows(r):
			reply(w, s.Ready, agentReady{Name: s.Agent, Ready: s.Ready, Missing: missing(s)})
		default:
			reply(w, s.Ready, agentReady{Name: s.Agent, Ready: s.Ready})
		}
	})
	guard := func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, o.guarded(h)) }
	guard("GET /agents", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, true, reg.Status())
	})
	guard("GET /agents/{agent}", func(w http.ResponseWriter, r *http.Request) {
		s, err := reg.AgentStatus(r.PathValue("agent"))
		if err != nil {
			notFound(w, err)
			return
		}
		reply(w, true, s)
	})
	if o.metrics != nil {
		guard("GET /metrics", o.metrics.ServeHTTP)
	}
	return mux
}

// errNoAgent names no agent that there is.
var errNoAgent = errors.New("no such agent")

func notFound(w http.ResponseWriter, err error) {
	write(w, http.StatusNotFound, map[string]string{"error": err.Error()})
}

func reply(w http.ResponseWriter, ok bool, body any) {
	status := http.StatusOK
	if !ok {
		status = http.StatusServiceUnavailable
	}
	write(w, status, body)
}

func write(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // a client that left is nobody's error
}
