package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/foogpt/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestClusters(t *testing.T) {
	t.Parallel()
	var c clusters
	require.NoError(t, c.Set("c0=CD79A,MS4A1"))
	require.NoError(t, c.Set(" c1 = NKG7, GNLY "))
	require.Equal(t, clusters{
		{ID: "c0", Genes: []string{"CD79A", "MS4A1"}},
		{ID: "c1", Genes: []string{"NKG7", "GNLY"}},
	}, c)
	require.EqualError(t, c.Set("CD79A,MS4A1"), "want ID=GENE,GENE,..., as in c0=CD79A,MS4A1")
	require.Len(t, c, 2)
}

func TestTable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, writeTable(&out, api.NamingWorkflowResult{NameClustersResponse: api.NameClustersResponse{
		Method: "markers",
		Names: []api.ClusterName{
			{ID: "c0", Name: "B cell", Confidence: 0.765, Evidence: []string{"CD79A", "MS4A1"}},
			{ID: "a longer one", Name: "unknown"},
		},
	}}))
	require.Equal(t, ""+
		"CLUSTER       NAME     CONFIDENCE  EVIDENCE\n"+
		"c0            B cell   0.77        CD79A MS4A1\n"+
		"a longer one  unknown  0.00        \n"+
		"named by: markers\n", out.String())
}

func TestRun(t *testing.T) {
	t.Parallel()
	const nowhere = "--address=no-such-host.invalid:7233"
	cases := []struct {
		name   string
		args   []string
		code   int
		stdout string // a part of it
		stderr string // its beginning
	}{
		{"help", []string{"--help"}, exitDone, "foogpt [command]", ""},
		{"unknown command", []string{"wroker"}, exitUsage, "", `UsageError: unknown command "wroker"`},
		{"unknown flag", []string{"worker", "--queue=x"}, exitUsage, "", "UsageError: unknown flag: --queue"},
		{"argument", []string{"worker", "x"}, exitUsage, "", `UsageError: unknown command "x"`},
		{"no cluster", []string{"name"}, exitUsage, "", `UsageError: required flag(s) "cluster" not set`},
		{"bad cluster", []string{"name", "--json", "--cluster=c0"}, exitUsage, `"type": "UsageError"`, `UsageError: invalid argument "c0"`},
		{"no server", []string{"name", nowhere, "--cluster=c0=A", "--json"}, exitFailed, `"type": "Error"`, "Error: "},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			require.Equal(t, c.code, run(t.Context(), c.args, &stdout, &stderr))
			require.Contains(t, stdout.String(), c.stdout)
			require.True(t, bytes.HasPrefix(stderr.Bytes(), []byte(c.stderr)), stderr.String())
			if c.code != exitDone {
				require.Equal(t, 1, bytes.Count(stderr.Bytes(), []byte("\n")), stderr.String())
			}
		})
	}
}
