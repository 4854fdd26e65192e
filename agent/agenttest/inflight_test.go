package agenttest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestInflightWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newInflight()
		require.NoError(t, f.wait())
		f.count("greet", 1)
		f.count("greet", 1)
		ended := make(chan error, 1)
		go func() { ended <- f.wait() }()
		f.count("greet", -1)
		synctest.Wait()
		require.Empty(t, ended)
		f.count("greet", -1)
		require.NoError(t, <-ended)
	})
}

func TestInflightGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newInflight()
		f.count("greet", 1)
		began := time.Now()
		require.EqualError(t, f.wait(), `activities ["greet"] still run 10s after their context ended`)
		require.Equal(t, patience, time.Since(began))
	})
}
