package registry

import (
	"context"
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/registry/internal/process"
)

// Local activities have no token, and many begin on one tick of the clock: what tells
// them apart is their number.
func TestLocalActivities(t *testing.T) {
	t.Parallel()
	tick := time.Now().UTC().Truncate(time.Microsecond)
	local := func(kind, workflow string) RunningActivity {
		return RunningActivity{Type: kind, WorkflowID: workflow, Attempt: 1, Since: tick}
	}
	announced := make(chan RunningActivity, 4)
	r := newRunning()
	r.announce = func(a RunningActivity) { announced <- a }
	var ends []func()
	for _, a := range []RunningActivity{local("work", "w"), local("more", "w"), local("work", "w"), local("work", "other")} {
		ends = append(ends, r.begin(t.Context(), a))
	}
	list := r.list()
	kinds := func(list []RunningActivity) (kinds []string) {
		for _, a := range list {
			kinds = append(kinds, a.Type+" "+a.WorkflowID)
		}
		return kinds
	}
	want := []string{"work w", "more w", "work w", "work other"}
	require.Equal(t, want, kinds(list), "the oldest first, also on one tick")

	s := offline(t, io.Discard)
	s.take(helloOfA)
	begins := make([]RunningActivity, len(want))
	for i := range begins {
		begins[i] = <-announced
	}
	for _, i := range []int{0, 2, 1, 3, 2} { // announcements overtake each other
		s.take(process.Message{Type: process.TypeBegin, Status: encodeActivity(begins[i])})
	}
	require.Equal(t, want, kinds(s.supervisor.status().Running), "each is known, and once")
	raw, err := encodeStatus(Status{State: StateReady, Running: list})
	require.NoError(t, err)
	s.take(process.Message{Type: process.TypeStatus, Status: raw})
	s.take(process.Message{Type: process.TypeBegin, Status: encodeActivity(begins[2])})
	require.Equal(t, list, s.supervisor.status().Running, "nor are those of a status known twice")
	text, err := json.Marshal(list)
	require.NoError(t, err)
	require.NotContains(t, string(text), `"id`, "the number is nobody else's business")
	for _, end := range ends {
		end()
	}
	require.Empty(t, r.list())
}

// An activity is not late because one like it, which began on the same tick, was.
func TestOverdueLocalActivities(t *testing.T) {
	t.Parallel()
	tick := time.Now()
	late, cancel := context.WithCancel(context.Background())
	r := newRunning()
	a := RunningActivity{Type: "work", WorkflowID: "w", Since: tick}
	endOne := r.begin(late, a)
	endOther := r.begin(late, a)
	cancel()
	require.Eventually(t, func() bool {
		list := r.list()
		return !list[0].Ended.IsZero() && !list[1].Ended.IsZero()
	}, patience, time.Millisecond)
	s := offline(t, io.Discard)
	s.opts.OverdueTimeout = 2 * pingInterval
	s.take(helloOfA)
	report := func(list []RunningActivity) {
		raw, err := encodeStatus(Status{State: StateReady, Running: list})
		require.NoError(t, err)
		s.take(process.Message{Type: process.TypeStatus, Status: raw})
	}
	both := r.list()
	report(both[:1])
	for range 3 {
		s.checkOverdue()
	}
	require.Empty(t, s.reason)
	endOne()
	report(both[1:]) // it began to be late when the other one ended
	for range 3 {
		s.checkOverdue()
		require.Empty(t, s.reason)
	}
	s.checkOverdue()
	require.Contains(t, s.reason, "goes on 3s after its context ended")
	endOther()
}
