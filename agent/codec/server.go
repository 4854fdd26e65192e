package codec

import (
	"net/http"
	"slices"

	"go.temporal.io/sdk/converter"
)

// maxBody bounds a request: the UI sends a page of history at a time.
const maxBody = 16 << 20

// ServerOptions say whom a codec server serves.
type ServerOptions struct {
	// Origins are those of the web UIs, such as http://localhost:8233. A
	// browser's request from any other page is refused.
	Origins []string
	// Authorize refuses requests by an error: the server decrypts for whoever
	// may ask it. The UI sends its user's token, if its settings say so, in
	// the header Authorization. nil lets everybody ask who reaches the server,
	// which should then listen on loopback.
	Authorize func(*http.Request) error
}

// Handler is a codec server for the web UI and the command line: POST /encode and
// /decode, below any prefix, with the answers to the questions that browsers ask
// first (CORS). Serve it on loopback, or over TLS.
func Handler(o ServerOptions, codecs ...converter.PayloadCodec) http.Handler {
	inner := converter.NewPayloadCodecHTTPHandler(codecs...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Origin")
		if origin := r.Header.Get("Origin"); origin != "" {
			if !slices.Contains(o.Origins, origin) {
				http.Error(w, "this codec server does not serve pages of that origin", http.StatusForbidden)
				return
			}
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Set("Access-Control-Allow-Credentials", "true")
			if r.Method == http.MethodOptions {
				w.Header().Set("Access-Control-Allow-Methods", "POST, OPTIONS")
				w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Namespace")
				w.Header().Set("Access-Control-Max-Age", "600")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		if o.Authorize != nil {
			if err := o.Authorize(r); err != nil {
				http.Error(w, err.Error(), http.StatusUnauthorized)
				return
			}
		}
		w.Header().Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		inner.ServeHTTP(w, r)
	})
}
