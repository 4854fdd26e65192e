package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// explain adds to an error of reaching the server what probably is wrong, and
// what to change. It may look a name up.
func (c connection) explain(ctx context.Context, err error) error {
	if advice := c.advice(ctx, err); advice != "" {
		return fmt.Errorf("%w (%s)", err, advice)
	}
	return err
}

// advice goes by the texts of errors where gRPC leaves nothing else of them.
func (c connection) advice(ctx context.Context, err error) string {
	var (
		noNamespace *serviceerror.NamespaceNotFound
		denied      *serviceerror.PermissionDenied
	)
	switch {
	case errors.As(err, &noNamespace):
		return fmt.Sprintf("create it, as in `temporal operator namespace create %s`, or name another: TEMPORAL_NAMESPACE, registry.WithNamespace", noNamespace.Namespace)
	case errors.As(err, &denied), status.Code(err) == codes.Unauthenticated:
		return "the server does not accept these credentials: see TEMPORAL_API_KEY, or the client certificate, and the namespace"
	}
	text := err.Error()
	says := func(part string) bool { return strings.Contains(text, part) }
	switch {
	case says("first record does not look like a TLS handshake"):
		return "the server does not speak TLS, this client does: set TEMPORAL_TLS=false, or leave TEMPORAL_TLS_* and TEMPORAL_API_KEY unset"
	case says("certificate signed by unknown authority"):
		return "the certificate of the server's authority is needed: TEMPORAL_TLS_SERVER_CA_CERT_PATH"
	case says("failed to verify certificate"):
		return "another name may be expected of the server's certificate: TEMPORAL_TLS_SERVER_NAME"
	case c.tls && (says("certificate required") || says("bad certificate") || says("broken pipe") || says("connection reset")):
		return "the server may want a client certificate that it knows: TEMPORAL_TLS_CLIENT_CERT_PATH, TEMPORAL_TLS_CLIENT_KEY_PATH"
	case says("looked like an HTTP/1.1 header"):
		return "what listens there is a web server, perhaps Temporal's web UI: the port of the server itself is 7233 by default"
	case !c.tls && says("error reading server preface"):
		return "the server may speak TLS: set TEMPORAL_TLS=true"
	case says("connectex: "): // Windows, which says why in the user's language
		return "the server cannot be reached there: start one, or set TEMPORAL_ADDRESS"
	case says("connection refused"):
		return "no server listens there: start one, or set TEMPORAL_ADDRESS"
	case says("no children to pick from"):
		return c.lookUp(ctx)
	case says("context deadline exceeded"):
		return "what listens there does not answer as a Temporal server does: see TEMPORAL_ADDRESS"
	}
	return ""
}

// lookUp tells why the host's name leads nowhere, which gRPC keeps to itself.
func (c connection) lookUp(ctx context.Context) string {
	host, _, err := net.SplitHostPort(c.target)
	if err != nil {
		return ""
	}
	if _, err := net.DefaultResolver.LookupHost(ctx, host); err != nil {
		return fmt.Sprintf("%v: see TEMPORAL_ADDRESS", err)
	}
	return ""
}
