package registry

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

func TestClientOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "temporal.toml")
	require.NoError(t, os.WriteFile(file, []byte(`
[profile.default]
address = "file:7233"
namespace = "from-file"
[profile.other]
address = "other:7233"
`), 0o600))
	cases := map[string]struct {
		env      map[string]string
		options  Options
		settings settings
		address  string
		ns       string
	}{
		"nothing set": {nil, Options{}, settings{}, "localhost:7233", "default"},
		"file":        {map[string]string{"TEMPORAL_CONFIG_FILE": file}, Options{}, settings{}, "file:7233", "from-file"},
		"profile":     {map[string]string{"TEMPORAL_CONFIG_FILE": file, "TEMPORAL_PROFILE": "other"}, Options{}, settings{}, "other:7233", "default"},
		"environment over file": {map[string]string{"TEMPORAL_CONFIG_FILE": file, "TEMPORAL_ADDRESS": "env:7233"},
			Options{}, settings{}, "env:7233", "from-file"},
		"program over environment": {map[string]string{"TEMPORAL_ADDRESS": "env:7233", "TEMPORAL_NAMESPACE": "from-env"},
			Options{ClientOptions: func(o *client.Options) { o.HostPort = "program:7233" }}, settings{namespace: "own"}, "program:7233", "own"},
		"agent over program": {nil, Options{ClientOptions: func(o *client.Options) { o.HostPort, o.Namespace = "program:7233", "p" }},
			settings{clientOptions: func(o *client.Options) { o.Namespace += "q" }}, "program:7233", "pq"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TEMPORAL_CONFIG_FILE", filepath.Join(t.TempDir(), "absent.toml"))
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			o, err := clientOptions(c.options.withDefaults(), c.settings, "a", slog.Default())
			require.NoError(t, err)
			require.Equal(t, c.address, o.HostPort)
			require.Equal(t, c.ns, o.Namespace)
			require.Equal(t, "troupe", o.SdkName)
			require.NotEmpty(t, o.SdkVersion)
			require.NotNil(t, o.Logger)
		})
	}
	t.Run("broken file", func(t *testing.T) {
		require.NoError(t, os.WriteFile(file, []byte(`[profile`), 0o600))
		t.Setenv("TEMPORAL_CONFIG_FILE", file)
		err := New(Options{}).Register(newFakeAgent("a"))
		require.ErrorContains(t, err, `register agent "a": client configuration from the environment and temporal.toml: `)
	})
}

// A client that the program has is used and left open; what a Dial returned is
// closed, and may not be nothing.
func TestClientsFromTheProgram(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]struct {
		options func(*fakeServer) Options
		agent   func(*fakeServer) []AgentOption
	}{
		"for all": {options: func(f *fakeServer) Options { return Options{Client: &fakeClient{server: f}} }},
		"for one": {agent: func(f *fakeServer) []AgentOption {
			return []AgentOption{WithClient(&fakeClient{server: f}), WithNamespace("known")}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &fakeServer{open: 1}
			var o Options
			if option.options != nil {
				o = option.options(server)
			}
			o.Logger = slog.New(slog.DiscardHandler)
			reg := New(o)
			reg.newWorker = server.newWorker
			var opts []AgentOption
			if option.agent != nil {
				opts = option.agent(server)
			}
			require.NoError(t, reg.Register(newFakeAgent("a"), opts...))
			stop := start(t, reg)
			require.NoError(t, reg.WaitReady(t.Context()))
			require.NoError(t, stop())
			require.Equal(t, 1, server.openClients())
			require.Zero(t, server.dials())
		})
	}
	t.Run("no client", func(t *testing.T) {
		t.Parallel()
		reg := New(Options{Logger: slog.New(slog.DiscardHandler), Dial: func(_ context.Context, name string) (client.Client, error) {
			require.Equal(t, "a", name)
			return nil, nil
		}})
		stop := start(t, reg, newFakeAgent("a"))
		eventually(t, reg, "nothing was dialled", func(s Status) bool { return s.LastError != nil })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorContains(t, reg.WaitReady(ctx), "connect to what Options.Dial dials: Options.Dial returned no client")
		require.NoError(t, stop())
	})
}
