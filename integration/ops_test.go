package integration

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/registry/ops"
	"github.com/seed-ab6af24b/troupe/retry"
)

// What a load balancer and an operator see of a running registry.
func TestOperationsOverHTTP(t *testing.T) {
	t.Parallel()
	c := clientTo(t, hostPort)
	a, bad := newAgent(t, "a"), newAgent(t, "bad")
	bad.onStart = func(context.Context) error { return retry.InvalidData.Errorf("corrupt") }
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(a))
	handler := ops.Handler(reg)
	get := func(path string, body any) int {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), body))
		return w.Code
	}
	var any any
	require.Equal(t, http.StatusServiceUnavailable, get("/v2/health/ready", &any))

	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))
	require.Equal(t, http.StatusOK, get("/v2/health/ready", &any))
	require.Equal(t, http.StatusOK, get("/v2/models/"+a.Name()+"/ready", &any))
	var status struct {
		State    registry.State `json:"state"`
		Identity string         `json:"identity"`
	}
	require.Equal(t, http.StatusOK, get("/agents/"+a.Name(), &status))
	require.Equal(t, registry.StateReady, status.State)
	require.NotEmpty(t, status.Identity)
	a.echo(t, c, "hello")

	require.NoError(t, reg.Register(bad))
	require.Error(t, reg.WaitReady(within(t, patience), bad.Name()))
	require.Equal(t, http.StatusServiceUnavailable, get("/v2/health/ready", &any))
	require.Equal(t, http.StatusOK, get("/v2/health/live", &any))
	require.Equal(t, http.StatusOK, get("/v2/models/"+a.Name()+"/ready", &any))
	require.ErrorContains(t, stop(), "corrupt")
}
