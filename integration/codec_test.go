package integration

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"

	"github.com/seed-ab6af24b/troupe/agent/codec"
	"github.com/seed-ab6af24b/troupe/registry"
)

// With a codec, the server has nothing of requests, results and errors in the
// clear; callers with the keys do, and a codec server shows it to the web UI.
func TestEncryptedPayloads(t *testing.T) {
	t.Parallel()
	const secret = "patient 4711"
	path := filepath.Join(t.TempDir(), "keys")
	key, err := codec.NewKey("k1")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(key.Line()), 0o600))
	keys, err := codec.ReadKeys(path)
	require.NoError(t, err)
	codecs := []converter.PayloadCodec{codec.Encryption(keys), codec.Compression()}
	apply := func(o *client.Options) {
		o.HostPort = hostPort
		codec.Apply(o, codecs...)
	}

	a := newAgent(t, "a")
	a.onEcho = func(_ context.Context, in Text) (Text, error) {
		if in.Text == secret+" fails" {
			return Text{}, temporal.NewNonRetryableApplicationError("no data of "+secret, "InvalidDataError", errors.New(secret))
		}
		return in, nil
	}
	reg := registry.New(registry.Options{Logger: silent, ClientOptions: apply})
	require.NoError(t, reg.Register(a))
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))
	options := client.Options{Logger: sdklog.NewStructuredLogger(silent)}
	apply(&options)
	c, err := client.Dial(options)
	require.NoError(t, err)
	t.Cleanup(c.Close)

	good, err := a.workflow.Start(within(t, patience), c, Text{secret})
	require.NoError(t, err)
	answer, err := good.Get(within(t, patience))
	require.NoError(t, err)
	require.Equal(t, secret, answer.Text)
	bad, err := a.workflow.Start(within(t, patience), c, Text{secret + " fails"})
	require.NoError(t, err)
	_, err = bad.Get(within(t, patience))
	require.ErrorContains(t, err, "no data of "+secret)

	for _, id := range []string{good.ID(), bad.ID()} {
		history := historyOf(t, hostPort, id)
		require.NotContains(t, history, secret)
		require.NotContains(t, history, base64.StdEncoding.EncodeToString([]byte(`{"text":"`+secret)))
		require.Contains(t, history, base64.StdEncoding.EncodeToString([]byte("binary/encrypted")))
		require.NotContains(t, history, key.Line())
	}
	require.Contains(t, historyOf(t, hostPort, bad.ID()), "InvalidDataError", "the class says what to do, and stays")

	// A caller without the keys reads nothing.
	_, err = a.workflow.Get(clientTo(t, hostPort), good.ID(), "").Get(within(t, patience))
	require.Error(t, err)
	// One that has a codec server does, as the web UI has.
	server := httptest.NewServer(codec.Handler(codec.ServerOptions{Origins: []string{"http://localhost:8233"}}, codecs...))
	t.Cleanup(server.Close)
	remote := client.Options{HostPort: hostPort, Logger: sdklog.NewStructuredLogger(silent)}
	codec.Apply(&remote, converter.NewRemotePayloadCodec(converter.RemotePayloadCodecOptions{Endpoint: server.URL, Client: *server.Client()}))
	viewer, err := client.Dial(remote)
	require.NoError(t, err)
	t.Cleanup(viewer.Close)
	seen, err := a.workflow.Get(viewer, good.ID(), "").Get(within(t, patience))
	require.NoError(t, err)
	require.Equal(t, secret, seen.Text)
	require.NoError(t, stop())
}
