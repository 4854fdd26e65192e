package ops

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/registry"
)

func TestBearerToken(t *testing.T) {
	t.Parallel()
	reg := registry.New(registry.Options{})
	require.NoError(t, reg.Register(greeter{domain.Base()}))
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") })
	guarded := Handler(reg, WithMetrics(metrics), WithBearerToken("sesame"))
	nobodys := Handler(reg, WithBearerToken(""))
	const ready = `{"ready":false,"missing":{"greeter":"new"}}`
	cases := []struct {
		handler             http.Handler
		authorization, path string
		status              int
		body                string
	}{
		{guarded, "Bearer sesame", "/agents", 200, `[{"agent":"greeter"`},
		{guarded, "bearer sesame", "/agents/greeter", 200, `{"agent":"greeter"`},
		{guarded, "Bearer sesame", "/metrics", 200, "up 1\n"},
		{guarded, "Bearer sesame", "/v2/health/ready", 503, ready},
		{guarded, "Bearer sesame", "/v2/models/nobody/ready", 404, `{"error":"no agent \"nobody\": registered are \"greeter\""}`},
		{guarded, "Bearer sesam", "/agents", 401, `{"error":"want the header Authorization: Bearer TOKEN"}`},
		{guarded, "Basic sesame", "/agents", 401, ""},
		{guarded, "sesame", "/agents", 401, ""},
		{guarded, "", "/agents", 401, ""},
		{guarded, "", "/agents/greeter", 401, ""},
		{guarded, "", "/agents/nobody", 401, ""},
		{guarded, "", "/metrics", 401, ""},
		{guarded, "", "/v2/health/live", 200, `{"live":true}`},
		{guarded, "", "/v2/health/ready", 503, `{"ready":false}`},
		{guarded, "", "/v2/models/greeter/ready", 503, `{"name":"greeter","ready":false}`},
		{guarded, "", "/v2/models/nobody/ready", 404, `{"error":"no such agent"}`},
		{nobodys, "Bearer ", "/agents", 401, ""},
		{nobodys, "", "/agents", 401, ""},
		{nobodys, "", "/v2/health/live", 200, ""},
	}
	for _, c := range cases {
		t.Run(c.authorization+" "+c.path, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.path, nil)
			if c.authorization != "" {
				r.Header.Set("Authorization", c.authorization)
			}
			w := httptest.NewRecorder()
			c.handler.ServeHTTP(w, r)
			require.Equal(t, c.status, w.Code)
			require.Contains(t, w.Body.String(), c.body)
			if c.status == http.StatusUnauthorized {
				require.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
				require.NotContains(t, w.Body.String(), "greeter")
			}
		})
	}
}
