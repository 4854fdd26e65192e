package ops

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/registry"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") })
	get := func(h http.Handler, method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
		return w
	}
	reg := registry.New(registry.Options{})
	with := Handler(reg, WithMetrics(metrics))
	require.Equal(t, "up 1\n", get(with, "GET", "/metrics").Body.String())
	require.Equal(t, http.StatusMethodNotAllowed, get(with, "POST", "/metrics").Code)
	require.Equal(t, http.StatusOK, get(with, "GET", "/v2/health/live").Code)
	require.Equal(t, http.StatusNotFound, get(Handler(reg), "GET", "/metrics").Code)
}

// TestServe stops while a request is being answered, which may end.
func TestServe(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		_, _ = io.WriteString(w, "bye")
	})
	served := make(chan error, 1)
	go func() { served <- serve(ctx, listener, handler) }()

	own := &http.Transport{DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String(), nil)
	require.NoError(t, err)
	response, err := own.RoundTrip(request)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, "bye", string(body))
	require.NoError(t, <-served)

	_, err = new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
	require.Error(t, err, "nobody listens any more")
}

func TestServeFails(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, Serve(t.Context(), "no port", nil), "ops: listen tcp")

	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorContains(t, Serve(t.Context(), listener.Addr().String(), nil), "ops: listen tcp "+listener.Addr().String())
	require.NoError(t, listener.Close())
	err = serve(t.Context(), listener, nil)
	require.ErrorContains(t, err, "ops: serve 127.0.0.1:")
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestDefaultAddressIsLoopback(t *testing.T) {
	t.Parallel()
	host, _, err := net.SplitHostPort(DefaultAddress)
	require.NoError(t, err)
	require.True(t, net.ParseIP(host).IsLoopback())
}
