package registry

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// An address that leads nowhere in any case is refused before anything is tried.
func TestRegisterRefusesAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"localhost:7233":              "",
		":7233":                       "",
		"[::1]:7233":                  "",
		"team.a2dd6.tmprl.cloud:7233": "",
		"dns:///localhost:7233":       "",
		"unix:/run/temporal.sock":     "",
		"http://localhost:7233":       "a URL",
		"https://localhost":           "a URL",
		"localhost":                   "which has no port",
		"localhost:":                  "which has no port",
		"::1":                         "which has no port",
		"localhost:temporal":          "whose port is no number from 1 to 65535",
		"localhost:72330":             "whose port is no number from 1 to 65535",
		"localhost:0":                 "whose port is no number from 1 to 65535",
		"local host:7233":             "which holds white space",
		"localhost:7233\n":            "which holds white space",
	} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			reg := New(Options{ClientOptions: func(o *client.Options) { o.HostPort = address }})
			err := reg.Register(newFakeAgent("a"))
			if want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, `register agent "a": the server's address is `)
			require.ErrorContains(t, err, ", "+want+": want host:port, such as localhost:7233 (TEMPORAL_ADDRESS, ")
			require.Empty(t, reg.Status())
		})
	}
}

// What the environment says of TLS is read at once, too.
func TestRegisterRefusesTLSFiles(t *testing.T) {
	dir := t.TempDir()
	missing, noPEM := filepath.Join(dir, "missing.pem"), filepath.Join(dir, "no.pem")
	require.NoError(t, os.WriteFile(noPEM, []byte("no certificate"), 0o600))
	for name, c := range map[string]struct {
		env  map[string]string
		want string
	}{
		"no authority":      {map[string]string{"TEMPORAL_TLS_SERVER_CA_CERT_PATH": missing}, missing},
		"authority no PEM":  {map[string]string{"TEMPORAL_TLS_SERVER_CA_CERT_PATH": noPEM}, "server CA"},
		"certificate alone": {map[string]string{"TEMPORAL_TLS_CLIENT_CERT_PATH": missing}, "other must be present too"},
		"no certificate":    {map[string]string{"TEMPORAL_TLS_CLIENT_CERT_PATH": missing, "TEMPORAL_TLS_CLIENT_KEY_PATH": missing}, missing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TEMPORAL_CONFIG_FILE", filepath.Join(dir, "absent.toml"))
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			err := New(Options{}).Register(newFakeAgent("a"))
			require.ErrorContains(t, err, `register agent "a": client configuration from the environment and temporal.toml: `)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// frontend is a server that speaks as much of Temporal as it takes to find out
// what is wrong.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	err error
}

func (f frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	if f.err != nil {
		return nil, serviceerror.ToStatus(f.err).Err()
	}
	return &workflowservice.GetSystemInfoResponse{}, nil
}

func (f frontend) DescribeNamespace(_ context.Context, r *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	return nil, serviceerror.ToStatus(serviceerror.NewNamespaceNotFound(r.GetNamespace())).Err()
}

func serve(t *testing.T, f frontend, options ...grpc.ServerOption) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := grpc.NewServer(options...)
	workflowservice.RegisterWorkflowServiceServer(s, f)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Stop()
		<-served
	})
	return l.Addr().String()
}

// certify makes a certificate for localhost that is its own authority.
func certify(t *testing.T) (cert tls.Certificate, authority *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "test"},
		DNSNames:     []string{"localhost"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	authority = x509.NewCertPool()
	require.True(t, authority.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, authority
}

// lateStatus is printed as the registry's status at that time.
type lateStatus struct{ reg *Registry }

func (l lateStatus) String() string { return fmt.Sprint(l.reg.Status()) }

// A server that cannot be reached is tried again without end; the status says
// why, and what to change.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	cert, authority := certify(t)
	secure := serve(t, frontend{}, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{cert}})))
	mutual := serve(t, frontend{}, grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authority,
	})))
	plain := serve(t, frontend{})
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())

	for name, c := range map[string]struct {
		address string
		tls     *tls.Config
		err     string
		advice  string
	}{
		"nothing listens": {closed.Addr().String(), nil,
			"connect to " + closed.Addr().String() + ": ", ": start one, or set TEMPORAL_ADDRESS"},
		"no such host": {"no-such-host.invalid:7233", nil,
			"connect to no-such-host.invalid:7233: ", "lookup no-such-host.invalid"},
		"a web server": {web.Listener.Addr().String(), nil,
			"HTTP/1.1", "what listens there is a web server, perhaps Temporal's web UI: the port of the server itself is 7233 by default"},
		"TLS is missing": {secure, nil,
			"error reading server preface", "the server may speak TLS: set TEMPORAL_TLS=true"},
		"TLS is too much": {plain, &tls.Config{},
			"TLS handshake", "the server does not speak TLS, this client does: set TEMPORAL_TLS=false"},
		"unknown authority": {secure, &tls.Config{ServerName: "localhost"},
			"unknown authority", "TEMPORAL_TLS_SERVER_CA_CERT_PATH"},
		"another server's name": {secure, &tls.Config{RootCAs: authority, ServerName: "temporal.example.com"},
			"not temporal.example.com", "TEMPORAL_TLS_SERVER_NAME"},
		"client certificate is missing": {mutual, &tls.Config{RootCAs: authority, ServerName: "localhost"},
			"", "TEMPORAL_TLS_CLIENT_CERT_PATH, TEMPORAL_TLS_CLIENT_KEY_PATH"},
		"namespace is missing": {secure, &tls.Config{RootCAs: authority, ServerName: "localhost"},
			"start worker: ", "create it, as in `temporal operator namespace create lab`, or name another: TEMPORAL_NAMESPACE"},
		"no permission": {serve(t, frontend{err: serviceerror.NewPermissionDenied("Request unauthorized.", "")}), nil,
			"Request unauthorized.", "TEMPORAL_API_KEY"},
		"no credentials": {serve(t, frontend{err: status.Error(codes.Unauthenticated, "who are you?")}), nil,
			"who are you?", "TEMPORAL_API_KEY"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := New(Options{
				Logger: slog.New(slog.DiscardHandler),
				ClientOptions: func(o *client.Options) {
					o.HostPort, o.Namespace = c.address, "lab"
					o.ConnectionOptions.TLS = c.tls
				},
				BackOff: BackOff{Initial: time.Millisecond, Max: 10 * time.Millisecond},
			})
			stop := start(t, reg, newFakeAgent("a"))
			// The end of a connection shows in several ways, of which not all
			// say why.
			require.Eventually(t, func() bool {
				s, err := reg.AgentStatus("a")
				return err == nil && s.Restarts > 1 && s.State == StateStarting && s.LastError != nil &&
					strings.Contains(s.LastError.Error(), c.err) && strings.Contains(s.LastError.Error(), c.advice)
			}, 30*time.Second, time.Millisecond, "%v", lateStatus{reg})
			require.NoError(t, stop())
		})
	}
}
