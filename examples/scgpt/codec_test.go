package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/seed-ab6af24b/troupe/agent/codec"
)

// The codec server decrypts what a worker with the same keys has encrypted, for the
// web UI and for nobody else's pages.
func TestCodecServer(t *testing.T) {
	code, line, stderr := try(t, "codec", "key", "k1")
	require.Zero(t, code, stderr)
	path := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(path, []byte(line), 0o600))
	t.Setenv(codec.KeysVariable, path)
	codecs, err := codec.FromEnvironment()
	require.NoError(t, err)
	payload, err := converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), codecs...).ToPayload("patient 4711")
	require.NoError(t, err)
	body, err := protojson.Marshal(&commonpb.Payloads{Payloads: []*commonpb.Payload{payload}})
	require.NoError(t, err)
	require.NotContains(t, string(body), "patient")

	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"codec", "server", "--listen", "127.0.0.1:0", "--json"}, write, io.Discard)
		_ = write.Close()
	}()
	var at struct{ Address string }
	require.NoError(t, json.NewDecoder(read).Decode(&at))

	ask := func(origin string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at.Address+"/decode", strings.NewReader(string(body)))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Origin", origin)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(text)
	}
	status, text := ask("http://localhost:8233")
	require.Equal(t, http.StatusOK, status, text)
	var plain commonpb.Payloads
	require.NoError(t, protojson.Unmarshal([]byte(text), &plain))
	require.JSONEq(t, `"patient 4711"`, string(plain.GetPayloads()[0].GetData()))
	status, _ = ask("http://evil.example")
	require.Equal(t, http.StatusForbidden, status)

	http.DefaultClient.CloseIdleConnections()
	cancel()
	require.Zero(t, <-ended)
}
