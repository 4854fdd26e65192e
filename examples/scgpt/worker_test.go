package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A worker whose folders cannot be used ends at once and says which flag, or which
// variable, is wrong.
func TestWorkerFolders(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	missing, below := filepath.Join(dir, "none"), filepath.Join(file, "memo")
	cases := []struct {
		name     string
		args     []string
		variable string // is set to below
		want     string
	}{
		{"missing root", []string{"--roots", ".," + missing}, "", "FileNotFoundError: --roots: root folder " + missing + ": "},
		{"a file as a root", []string{"--roots", file}, "", "Error: --roots: root folder " + file + " is not a folder: want folders that are there"},
		{"missing models", []string{"--models", missing}, "", "FileNotFoundError: --models: open " + missing + ": "},
		{"missing models by the variable", nil, "TROUPE_MODELS", "Error: TROUPE_MODELS: open " + below + ": "},
		{"memo", []string{"--memo-dir", below}, "", "Error: --memo-dir: the folder " + below + " cannot be used: mkdir " + file + ": "},
		{"memo by the variable", nil, "TROUPE_MEMO_DIR", "Error: TROUPE_MEMO_DIR: the folder " + below + " cannot be used"},
		{"lease", []string{"--lease-dir", below}, "", "Error: --lease-dir: the folder " + below + " cannot be used"},
		{"lease with processes", []string{"--isolation", "process", "--lease-dir", below}, "", "Error: --lease-dir: the folder " + below + " cannot be used"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.variable != "" {
				t.Setenv(c.variable, below)
			}
			code, stdout, stderr := tryFor(t, 20*time.Second, append([]string{"worker", "--address", nowhere}, c.args...)...)
			require.Equal(t, 1, code)
			require.Empty(t, stdout)
			if runtime.GOOS == "windows" { // for which nothing can be below a file
				c.want = strings.TrimPrefix(c.want, "Error: ")
			}
			require.Contains(t, stderr, c.want)
			require.Regexp(t, `^[^\n]*\n$`, stderr)
		})
	}
}

// nowhere is an address at which no server listens.
const nowhere = "127.0.0.1:1"

// tryFor is try for what runs until it is told to stop.
func tryFor(t *testing.T, longest time.Duration, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	var out, errs bytes.Buffer
	code = run(ctx, args, &out, &errs)
	return code, out.String(), errs.String()
}

// The advice for a program outside of a clone names a flag that the command has.
func TestNoSamples(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("TROUPE_MODELS", "")
	for command, flags := range map[string]string{
		"worker": "--models or TROUPE_MODELS", "genes": "--models or TROUPE_MODELS", "reference list": "--references or TROUPE_REFERENCES", "run": "--data",
	} {
		args := append(strings.Fields(command), "--address", nowhere)
		code, _, stderr := tryFor(t, 20*time.Second, args...)
		require.Equal(t, 1, code)
		require.Contains(t, stderr, "or name your own with "+flags+"\n", command)
	}
}

// The endpoint answers while there is no server yet, and a worker that cannot serve
// it ends.
func TestWorkerOps(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	args := []string{"worker", "--agents", "foogpt", "--address", nowhere, "--ops", address}
	code, _, stderr := tryFor(t, time.Minute, args...)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "--ops "+address+": ops: listen tcp "+address+": ")
	require.NoError(t, listener.Close())

	t.Setenv(opsTokenVariable, "sesame")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, args, io.Discard, io.Discard) }()
	own := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(path, token string) (status int, body []byte) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := own.Do(request)
		if err != nil {
			return 0, nil
		}
		defer response.Body.Close()
		body, err = io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, body
	}
	require.Eventually(t, func() bool { status, _ := get("/v2/health/live", ""); return status == http.StatusOK }, time.Minute, 5*time.Millisecond)
	status, _ := get("/v2/health/ready", "sesame")
	require.Equal(t, http.StatusServiceUnavailable, status)
	status, _ = get("/agents", "open")
	require.Equal(t, http.StatusUnauthorized, status)
	_, body := get("/agents", "sesame")
	var agents []struct{ Agent string }
	require.NoError(t, json.Unmarshal(body, &agents))
	require.Len(t, agents, 1)
	require.Equal(t, "foogpt", agents[0].Agent)
	_, body = get("/metrics", "sesame")
	require.Contains(t, string(body), `troupe_agent_ready{agent="foogpt"`)
	stop()
	require.Zero(t, <-ended)
}
