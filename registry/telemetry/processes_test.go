package telemetry

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/seed-ab6af24b/troupe/registry"
)

// The metrics of processes stand beside those of their parent, told apart by
// labels; one that speaks nonsense hides nobody else's.
func TestMetricsOfProcesses(t *testing.T) {
	t.Parallel()
	child := func(work float64) []byte {
		own := prometheus.NewRegistry()
		done := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "work_total"}, []string{"zone"})
		done.WithLabelValues("z").Add(work)
		own.MustRegister(done,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "troupe_agent_ready"}, func() float64 { return 1 }))
		tel, err := New(Options{Registerer: own})
		require.NoError(t, err)
		data, err := tel.GatherMetrics()
		require.NoError(t, err)
		return data
	}
	processes := fromProcesses{func(context.Context) []registry.ProcessMetrics {
		return []registry.ProcessMetrics{
			{Agent: "a", Instance: 0, Data: child(1)},
			{Agent: "a", Instance: 1, Data: child(2)},
			{Agent: "b", Instance: 0, Data: []byte("nonsense")},
			{Agent: "c", Instance: 0, Data: child(4)},
		}
	}}
	own := prometheus.NewRegistry()
	own.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "parents_own"}, func() float64 { return 7 }))
	got := scrape(t, serveMetrics(own, processes))
	require.Equal(t, map[string]float64{"agent=a process=0 zone=z": 1, "agent=a process=1 zone=z": 2, "agent=c process=0 zone=z": 4},
		values(got["work_total"], "agent", "process", "zone"))
	require.NotContains(t, got, "troupe_agent_ready")
	require.Contains(t, got, "parents_own")
	_, err := processes.Gather()
	require.ErrorContains(t, err, `metrics of process 0 of agent "b"`)
}

func TestNoMetricsForTheParent(t *testing.T) {
	t.Parallel()
	tel, err := New(Options{MeterProvider: sdkmetric.NewMeterProvider()})
	require.NoError(t, err)
	data, err := tel.GatherMetrics()
	require.NoError(t, err)
	require.Empty(t, data)
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{3, 10, 1, 'x'})
	f.Add([]byte("\x98\x98\x98\x98\x98\x98!")) // a length of 145 TB
	f.Fuzz(func(_ *testing.T, data []byte) {
		families, err := decode(data)
		if err == nil {
			for _, fam := range families {
				for _, m := range fam.GetMetric() {
					label(m, "process", "0")
				}
			}
		}
	})
}
