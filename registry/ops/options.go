package ops

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// Option adds to what Handler serves, or to whom.
type Option func(*options)

type options struct {
	metrics http.Handler
	// token is nil where none is wanted.
	token *[sha256.Size]byte
}

// WithMetrics serves metrics, as a telemetry.Telemetry's Handler does, at
// GET /metrics.
func WithMetrics(metrics http.Handler) Option { return func(o *options) { o.metrics = metrics } }

// WithBearerToken wants the header "Authorization: Bearer TOKEN" of requests for
// /agents and /metrics, and answers 401 without it. The health routes, whose
// callers often cannot send one, answer without the token too, but leave out
// what is missing. An empty token is nobody's: such requests are all refused.
func WithBearerToken(token string) Option {
	sum := sha256.Sum256([]byte(token))
	if token == "" {
		sum = [sha256.Size]byte{} // no token has this sum
	}
	return func(o *options) { o.token = &sum }
}

// allows reports whether the request carries the token, if one is wanted.
func (o *options) allows(r *http.Request) bool {
	if o.token == nil {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], o.token[:]) == 1
}

// guarded serves only who may be served.
func (o *options) guarded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !o.allows(r) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			write(w, http.StatusUnauthorized, map[string]string{"error": "want the header Authorization: Bearer TOKEN"})
			return
		}
		h.ServeHTTP(w, r)
	})
}
