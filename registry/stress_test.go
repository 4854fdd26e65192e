package registry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Agents come and go from many goroutines while the server comes and goes too.
func TestStress(t *testing.T) {
	t.Parallel()
	reg, server := newFake(func(o *Options) {
		o.BackOff = BackOff{Initial: time.Microsecond, Max: time.Millisecond}
		o.CheckInterval = time.Millisecond
	})
	stop := start(t, reg, newFakeAgent("steady"))
	var wg sync.WaitGroup
	for g := range 10 {
		wg.Go(func() {
			name := fmt.Sprintf("agent-%d", g)
			for i := range 50 {
				a := newFakeAgent(name)
				switch rand.N(4) {
				case 0:
					a.onStart = func(context.Context) error { return errors.New("not today") }
				case 1:
					a.onCheck = func(context.Context) error { panic("not well") }
				}
				if !errors.Is(reg.Register(a), nil) {
					t.Error("not registered")
				}
				if i%3 == 0 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.N(3))*time.Millisecond)
					_ = reg.WaitReady(ctx, name)
					cancel()
				}
				_ = reg.Status()
				if err := reg.Remove(t.Context(), name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	flapping := make(chan struct{})
	var flaps sync.WaitGroup
	flaps.Go(func() {
		for down := false; ; down = !down {
			select {
			case <-flapping:
				server.setDown(nil)
				return
			case <-time.After(time.Millisecond):
			}
			if down {
				server.setDown(errDown)
			} else {
				server.setDown(nil)
			}
		}
	})
	wg.Wait()
	close(flapping)
	flaps.Wait()
	require.NoError(t, reg.WaitReady(t.Context(), "steady"))
	require.Len(t, reg.Status(), 1)
	require.NoError(t, stop())
	require.Zero(t, server.openClients())
}

// Whole registries start and stop in quick succession.
func TestStartStopStress(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for i := range 50 {
				reg, server := newFake()
				if i%2 == 0 {
					server.setDown(errDown)
				}
				ctx, cancel := context.WithCancel(t.Context())
				for _, name := range []string{"a", "b"} {
					if err := reg.Register(newFakeAgent(name)); err != nil {
						t.Error(err)
					}
				}
				var stopper sync.WaitGroup
				stopper.Go(func() {
					if i%5 == 0 { // nothing waits for this: it only moves the moment of the stop
						time.Sleep(time.Duration(rand.N(500)) * time.Microsecond)
					}
					cancel()
				})
				if err := reg.Run(ctx); err != nil {
					t.Error(err)
				}
				stopper.Wait()
				if n := server.openClients(); n != 0 {
					t.Errorf("%d clients are open", n)
				}
				for _, s := range reg.Status() {
					if s.State != StateStopped {
						t.Errorf("%s is %s", s.Agent, s.State)
					}
				}
			}
		})
	}
	wg.Wait()
}
