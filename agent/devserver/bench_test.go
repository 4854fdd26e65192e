package devserver

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

// What the dynamic configuration gains: each workflow on a server as Start leaves it, and on one with the timing of the
// server's own defaults.
//
//	go test -run '^$' -bench . ./agent/devserver
func BenchmarkWorkflow(b *testing.B) {
	for _, workflow := range []struct {
		name string
		f    any
		args []any
	}{
		{"two-activities", twoActivities, nil},
		{"sleep-10ms-x20", sleeps, []any{20, 10 * time.Millisecond}},
	} {
		for _, server := range []struct {
			name     string
			defaults bool
		}{{"devserver", false}, {"server-defaults", true}} {
			b.Run(workflow.name+"/"+server.name, func(b *testing.B) {
				s := start(b, Options{UIPort: NoUI, serverDefaults: server.defaults})
				c := dial(b, s.HostPort(), "")
				startWorker(b, c)
				var took []time.Duration
				for b.Loop() {
					began := time.Now()
					run, err := c.ExecuteWorkflow(b.Context(), client.StartWorkflowOptions{TaskQueue: queue}, workflow.f, workflow.args...)
					require.NoError(b, err)
					require.NoError(b, run.Get(b.Context(), nil))
					took = append(took, time.Since(began))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2])/float64(time.Millisecond), "p50-ms")
			})
		}
	}
}

// BenchmarkStart is a server's life: start, stop.
func BenchmarkStart(b *testing.B) {
	for _, file := range []bool{false, true} {
		name := "memory"
		if file {
			name = "file"
		}
		b.Run(name, func(b *testing.B) {
			o := Options{Port: AnyPort}
			if file {
				o.DBFile = b.TempDir() + "/t.db"
			}
			for b.Loop() {
				s, err := Start(b.Context(), o)
				require.NoError(b, err)
				require.NoError(b, s.Stop())
			}
		})
	}
}
