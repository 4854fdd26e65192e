package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
)

// execute handles a request by running the workflow with the request's body, and
// answers with the result. When that takes longer than wait, the answer is 202
// with the id of the workflow, which goes on; so it does when the caller hangs
// up.
func execute[In, Out any](c client.Client, w agent.Workflow[In, Out], wait time.Duration) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		var in In
		body := json.NewDecoder(http.MaxBytesReader(rw, r.Body, agent.MaxPayloadBytes))
		body.DisallowUnknownFields()
		if err := body.Decode(&in); err != nil {
			fail(rw, retry.InvalidData.Wrap(err), http.StatusBadRequest)
			return
		}
		// Not within wait: a start that is cut short may have started the workflow, whose id is lost then.
		started, err := w.Start(r.Context(), c, in)
		if err != nil {
			fail(rw, err, http.StatusServiceUnavailable)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		defer cancel()
		var late *serviceerror.DeadlineExceeded // the server may see the end of the wait first
		out, err := started.Get(ctx)
		switch {
		case err == nil:
			reply(rw, http.StatusOK, out)
		case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.As(err, &late):
			reply(rw, http.StatusAccepted, map[string]string{"workflow_id": started.ID()})
		default:
			fail(rw, err, http.StatusInternalServerError)
		}
	}
}

// fail answers with an error, by its class where it has one. The class is the
// same whether the definition refused the request here, before anything was
// sent, or an activity found out on another machine.
func fail(rw http.ResponseWriter, err error, status int) {
	class, _ := retry.ClassOf(err)
	switch class {
	case retry.InvalidData:
		status = http.StatusBadRequest
	case retry.FileNotFound, retry.ModelNotFound:
		status = http.StatusNotFound
	case retry.RateLimited:
		status = http.StatusTooManyRequests
	}
	reply(rw, status, map[string]string{"type": string(class), "error": retry.Message(err)})
}

func reply(rw http.ResponseWriter, status int, body any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(body) // a caller that hung up is nobody's error
}
