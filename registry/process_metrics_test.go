package registry

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/registry/internal/process"
)

// What keeps metrics from being gathered is logged once, and nothing does so for ever.
func TestMetricsThatFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log syncBuffer
		s := offline(t, &log)
		s.take(helloOfA)
		r, w := io.Pipe()
		s.child = &process.Child{Conn: process.NewConn(nil, w)}
		questions := make(chan int64, 100)
		go func() {
			for conn := process.NewConn(r, nil); ; {
				m, err := conn.Receive()
				if err != nil {
					close(questions)
					return
				}
				questions <- m.ID
			}
		}()
		// ask returns the answer to a question, which the process answers after a while.
		ask := func(ctx context.Context, after time.Duration, answer process.Message) string {
			got := make(chan []byte)
			go func() { got <- s.gather(ctx) }()
			synctest.Wait()
			select {
			case id := <-questions:
				time.Sleep(after)
				answer.Type, answer.ID = process.TypeMetrics, id
				s.take(answer)
			default:
			}
			return string(<-got)
		}
		well := process.Message{Metrics: []byte("metrics")}
		fails := process.Message{Error: "gather metrics: no registry"}
		warnings := func() int { return strings.Count(strings.Join(log.lines(), "\n"), "No metrics from a process") }

		require.Equal(t, "metrics", ask(t.Context(), time.Second, well))
		require.Zero(t, warnings())
		require.Empty(t, ask(t.Context(), time.Second, fails))
		require.Empty(t, ask(t.Context(), time.Second, fails))
		require.Equal(t, 1, warnings())
		require.Contains(t, log.lines()[len(log.lines())-1], `process=0 error="gather metrics: no registry"`)
		require.Equal(t, "metrics", ask(t.Context(), time.Second, well))
		require.Empty(t, ask(t.Context(), time.Second, fails))
		require.Equal(t, 2, warnings(), "it had gone well meanwhile")

		// A question that is never answered: who asks does not wait for ever, others
		// are left out for a while, and then it is asked again.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.Empty(t, s.gather(ctx))
		<-questions
		begun := time.Now()
		require.Empty(t, ask(t.Context(), 0, well))
		require.Zero(t, time.Since(begun))
		require.Equal(t, 2, warnings())
		time.Sleep(gatherTimeout)
		require.Equal(t, "metrics", ask(t.Context(), 0, well))
		require.Equal(t, 3, warnings())
		require.Contains(t, log.lines()[len(log.lines())-1], `error="no answer within 10s"`)
		begun = time.Now()
		require.Empty(t, s.gather(context.Background()))
		require.Equal(t, gatherTimeout, time.Since(begun))
		require.NoError(t, w.Close())
	})
}

// hangingObserver has no metrics until it is let go.
type hangingObserver struct {
	observeNothing
	release chan struct{}
}

func (o hangingObserver) GatherMetrics() ([]byte, error) {
	<-o.release
	return []byte("metrics"), nil
}

// A child in which gathering hangs says so, and does not begin anew beside it.
func TestChildGathersOnce(t *testing.T) {
	t.Parallel()
	p := joined(t, "a")
	o := hangingObserver{release: make(chan struct{})}
	begun := make(chan struct{})
	go func() { close(begun); p.child.gather(1, o) }()
	<-begun
	require.Eventually(t, p.child.gathering.Load, patience, time.Millisecond)
	p.child.gather(2, o)
	m := p.next(t, process.TypeMetrics)
	require.EqualValues(t, 2, m.ID)
	require.Equal(t, "gather metrics: the call before has not returned", m.Error)
	close(o.release)
	m = p.next(t, process.TypeMetrics)
	require.EqualValues(t, 1, m.ID)
	require.Equal(t, "metrics", string(m.Metrics))
	require.Eventually(t, func() bool { return !p.child.gathering.Load() }, patience, time.Millisecond)
}
