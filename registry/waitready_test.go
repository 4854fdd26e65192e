package registry

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Who waits for several agents hears at once of the one that fails for good.
func TestWaitReadyOfSeveral(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, server := newFake()
		server.hideUntil(time.Now().Add(time.Hour)) // nobody becomes ready
		broken := newFakeAgent("b")
		broken.onStart = func(context.Context) error {
			time.Sleep(time.Second)
			return permanentError{io.ErrUnexpectedEOF}
		}
		stop := start(t, reg, newFakeAgent("a"), broken)
		begun := time.Now()
		err := reg.WaitReady(t.Context())
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, time.Second, time.Since(begun))
		require.Error(t, stop())
	})
}
