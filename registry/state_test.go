package registry

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStates(t *testing.T) {
	t.Parallel()
	all := []State{StateNew, StateStarting, StateReady, StateDraining, StateStopped, StateFailed}
	for _, s := range all {
		next := 0
		for _, n := range all {
			require.False(t, n == StateNew && s.mayBecome(n), "%s becomes new again", s)
			require.False(t, n == s && s.mayBecome(n))
			if s.mayBecome(n) {
				next++
			}
		}
		require.Equal(t, s.Final(), next == 0, s)
	}
}

// A supervisor that finishes starting cannot undo a stop that came first.
func TestBoardKeepsToTheStates(t *testing.T) {
	t.Parallel()
	b := newBoard(Status{})
	require.True(t, b.enter(StateStarting))
	b.doing("connecting")
	require.True(t, b.enter(StateDraining))
	s, changed := b.read()
	require.Equal(t, "connecting", s.Doing)
	require.False(t, b.enter(StateReady))
	require.False(t, b.enter(StateDraining))
	b.failed(errors.New("late"))
	<-changed
	require.True(t, b.enter(StateStopped))
	s, _ = b.read()
	require.Equal(t, StateStopped, s.State)
	require.False(t, s.Ready)
	require.Empty(t, s.Doing)
	require.EqualError(t, s.LastError, "late")
}
