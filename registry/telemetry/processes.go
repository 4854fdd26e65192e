package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"

	"github.com/seed-ab6af24b/troupe/registry"
)

var _ registry.MetricsGatherer = (*Telemetry)(nil)

// processFormat is how a process hands its metrics to its parent.
var processFormat = expfmt.NewFormat(expfmt.TypeProtoDelim)

// gatherTimeout is how long a scrape waits for the processes.
const gatherTimeout = 2 * time.Second

// GatherMetrics is called in a process of its own, for the parent's Handler. It
// returns nothing if the metrics go elsewhere.
func (t *Telemetry) GatherMetrics() ([]byte, error) {
	if t.gatherer == nil {
		return nil, nil
	}
	families, err := t.gatherer.Gather()
	if err != nil && len(families) == 0 {
		return nil, err
	}
	var buf bytes.Buffer
	enc := expfmt.NewEncoder(&buf, processFormat)
	for _, f := range families {
		// These the parent knows itself.
		if strings.HasPrefix(f.GetName(), "troupe_agent_") || f.GetName() == "troupe_activity_running" {
			continue
		}
		if err := enc.Encode(f); err != nil {
			return nil, err
		}
	}
	return buf.Bytes(), nil
}

// fromProcesses gathers the metrics of the agents' own processes. They get the
// labels agent and process, so that those of several are told apart.
type fromProcesses struct {
	gather func(ctx context.Context) []registry.ProcessMetrics
}

func (g fromProcesses) Gather() ([]*dto.MetricFamily, error) {
	ctx, cancel := context.WithTimeout(context.Background(), gatherTimeout)
	defer cancel()
	byName := map[string]*dto.MetricFamily{}
	var all []*dto.MetricFamily
	var errs []error
	for _, p := range g.gather(ctx) {
		families, err := decode(p.Data)
		if err != nil {
			errs = append(errs, fmt.Errorf("metrics of process %d of agent %q: %w", p.Instance, p.Agent, err))
			continue
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				label(m, "agent", p.Agent)
				label(m, "process", strconv.Itoa(p.Instance))
			}
			known, ok := byName[f.GetName()]
			switch {
			case !ok:
				byName[f.GetName()] = f
				all = append(all, f)
			case known.GetType() == f.GetType():
				known.Metric = append(known.Metric, f.GetMetric()...)
			default:
				errs = append(errs, fmt.Errorf("metric %q is of several types", f.GetName()))
			}
		}
	}
	return all, errors.Join(errs...)
}

// decode reads what GatherMetrics has written. expfmt's own decoder believes any
// length that it reads.
func decode(data []byte) (families []*dto.MetricFamily, err error) {
	r := bytes.NewReader(data)
	for {
		f := &dto.MetricFamily{}
		if err := protodelim.UnmarshalFrom(r, f); errors.Is(err, io.EOF) {
			return families, nil
		} else if err != nil {
			return nil, err
		}
		families = append(families, f)
	}
}

// label sets a label that the metric does not have yet. Labels are sorted.
func label(m *dto.Metric, name, value string) {
	i, found := slices.BinarySearchFunc(m.GetLabel(), name, func(l *dto.LabelPair, name string) int {
		return strings.Compare(l.GetName(), name)
	})
	if !found {
		m.Label = slices.Insert(m.Label, i, &dto.LabelPair{Name: proto.String(name), Value: proto.String(value)})
	}
}

// processMetrics are those of the agents of all registries.
func (t *Telemetry) processMetrics(ctx context.Context) (all []registry.ProcessMetrics) {
	t.mu.Lock()
	registries := slices.Clone(t.registries)
	t.mu.Unlock()
	for _, reg := range registries {
		all = append(all, reg.ProcessMetrics(ctx)...)
	}
	return all
}

var _ prometheus.Gatherer = fromProcesses{}
