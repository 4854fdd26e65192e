package integration

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/seed-ab6af24b/troupe/registry"
)

// authority issues certificates, whose files lie in a folder.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.issue(t, "ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// issue makes a certificate and writes NAME.pem and NAME.key.
func (a *authority) issue(t *testing.T, name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for suffix, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		require.NoError(t, os.WriteFile(a.path(name+suffix), pem.EncodeToMemory(block), 0o600))
	}
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert, key
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// secured is a TLS endpoint in front of the Temporal server, as a proxy or
// Temporal Cloud is, with the requests that it let through.
type secured struct {
	address string
	mu      sync.Mutex
	calls   int
}

// secure starts the endpoint. It wants client certificates of clients, unless
// that is nil, and the API key, unless that is empty.
func secure(t *testing.T, own, clients *authority, apiKey string) *secured {
	t.Helper()
	own.issue(t, "server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	pair, err := tls.LoadX509KeyPair(own.path("server.pem"), own.path("server.key"))
	require.NoError(t, err)
	plaintext := new(http.Protocols)
	plaintext.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: plaintext}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: hostPort}) },
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(silent.Handler(), slog.LevelInfo),
	}
	s := &secured{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if apiKey != "" && r.Header.Get("Authorization") != "Bearer "+apiKey {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", "16")
			w.Header().Set("Grpc-Message", "wrong API key")
			return
		}
		s.mu.Lock()
		s.calls++
		s.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = slog.NewLogLogger(silent.Handler(), slog.LevelInfo)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
	if clients != nil {
		server.TLS.ClientCAs, server.TLS.ClientAuth = clients.pool(), tls.RequireAndVerifyClientCert
	}
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		transport.CloseIdleConnections()
	})
	s.address = server.Listener.Addr().String()
	return s
}

func (s *secured) passed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// A registry reaches a server behind TLS as Temporal's own tools do: by the
// environment. What is missing or wrong keeps the agent from being ready and is
// said, without the secret.
func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	ours.issue(t, "client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	theirs.issue(t, "client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	const key, wrongKey = "sesame-open-up", "sesame-shut-up"
	mutual := secure(t, ours, ours, "")
	withKey := secure(t, ours, nil, key)
	ca := map[string]string{"TEMPORAL_TLS_SERVER_CA_CERT_PATH": ours.path("ca.pem")}
	with := func(base map[string]string, more ...string) map[string]string {
		all := map[string]string{}
		for k, v := range base {
			all[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	// With TLS 1.3 a server refuses a certificate after the handshake: the client
	// may see the reason or just that the connection is gone.
	const refused = ": failed reaching server"
	cases := []struct {
		name string
		to   *secured
		env  map[string]string
		err  string // of LastError; empty where the agent works
	}{
		{"client certificate", mutual, with(ca, "TEMPORAL_TLS_CLIENT_CERT_PATH", ours.path("client.pem"), "TEMPORAL_TLS_CLIENT_KEY_PATH", ours.path("client.key")), ""},
		{"no client certificate", mutual, ca, refused},
		{"client certificate of others", mutual, with(ca, "TEMPORAL_TLS_CLIENT_CERT_PATH", theirs.path("client.pem"), "TEMPORAL_TLS_CLIENT_KEY_PATH", theirs.path("client.key")), refused},
		{"unknown server", mutual, with(nil, "TEMPORAL_TLS_SERVER_CA_CERT_PATH", theirs.path("ca.pem"), "TEMPORAL_TLS_CLIENT_CERT_PATH", ours.path("client.pem"), "TEMPORAL_TLS_CLIENT_KEY_PATH", ours.path("client.key")), "certificate signed by unknown authority"},
		{"API key", withKey, with(ca, "TEMPORAL_API_KEY", key), ""},
		{"wrong API key", withKey, with(ca, "TEMPORAL_API_KEY", wrongKey), "wrong API key"},
		{"no TLS", withKey, map[string]string{"TEMPORAL_TLS": "false"}, "failed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for name, value := range with(c.env, "TEMPORAL_ADDRESS", c.to.address) {
				t.Setenv(name, value)
			}
			var log syncBuffer
			a := newAgent(t, "a")
			reg := registry.New(registry.Options{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			require.NoError(t, reg.Register(a))
			stop := run(t, reg)
			before := c.to.passed()
			if c.err == "" {
				require.NoError(t, reg.WaitReady(within(t, patience)))
				a.echo(t, clientTo(t, hostPort), "over TLS")
				require.Greater(t, c.to.passed(), before)
			} else {
				var last error
				require.Eventually(t, func() bool {
					s, err := reg.AgentStatus(a.Name())
					last = s.LastError
					return err == nil && s.LastError != nil && !s.Ready
				}, patience, 5*time.Millisecond)
				require.ErrorContains(t, last, c.err)
				require.Equal(t, before, c.to.passed(), "nothing came through")
			}
			require.NoError(t, stop())
			text, err := json.Marshal(reg.Status())
			require.NoError(t, err)
			for _, secret := range []string{key, wrongKey} {
				require.NotContains(t, log.String()+string(text), secret)
			}
		})
	}
}

// syncBuffer is a buffer that several goroutines write.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// historyOf is a workflow's whole history, as the server has it, in JSON.
func historyOf(t *testing.T, address, id string) string {
	t.Helper()
	var all []byte
	events := clientTo(t, address).GetWorkflowHistory(t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		require.NoError(t, err)
		text, err := protojson.Marshal(e)
		require.NoError(t, err)
		all = append(append(all, text...), '\n')
	}
	return string(all)
}
