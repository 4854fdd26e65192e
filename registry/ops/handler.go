package ops

import (
	"encoding/json"
	"net/http"

	"github.com/seed-ab6af24b/troupe/registry"
)

// Handler returns the handler of the package comment's routes. It only reads
// from the registry and may be used before, while and after that runs.
func Handler(reg *registry.Registry, opts ...Option) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/health/live", func(w http.ResponseWriter, _ *http.Request) {
		answer := liveness(reg.Status())
		reply(w, answer.Live, answer)
	})
	mux.HandleFunc("GET /v2/health/ready", func(w http.ResponseWriter, _ *http.Request) {
		answer := readiness(reg.Status())
		reply(w, answer.Ready, answer)
	})
	mux.HandleFunc("GET /v2/models/{agent}/ready", func(w http.ResponseWriter, r *http.Request) {
		if s, ok := find(w, r, reg); ok {
			reply(w, s.Ready, agentReady{Name: s.Agent, Ready: s.Ready, Missing: missing(s)})
		}
	})
	mux.HandleFunc("GET /agents", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, true, reg.Status())
	})
	mux.HandleFunc("GET /agents/{agent}", func(w http.ResponseWriter, r *http.Request) {
		if s, ok := find(w, r, reg); ok {
			reply(w, true, s)
		}
	})
	for _, add := range opts {
		add(mux)
	}
	return mux
}

func find(w http.ResponseWriter, r *http.Request, reg *registry.Registry) (registry.Status, bool) {
	s, err := reg.AgentStatus(r.PathValue("agent"))
	if err != nil {
		write(w, http.StatusNotFound, map[string]string{"error": err.Error()})
		return s, false
	}
	return s, true
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
