package registry

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What a process says of its end does not name the agent, which its parent does.
func TestUnnamed(t *testing.T) {
	corrupt := errors.New("best_model.pt: no tensors")
	for want, err := range map[string]error{
		"best_model.pt: no tensors":                      &agentError{agent: "a", failed: true, err: corrupt},
		"release the device: best_model.pt: no tensors":  errors.Join(&agentError{agent: "a", err: fmt.Errorf("release the device: %w", corrupt)}),
		"did not stop within 1s: it is closing its file": errors.Join(&StopError{Agent: "a", Timeout: time.Second, Doing: "closing its file"}),
		"a registry runs once":                           ErrNotRunnable,
	} {
		require.Equal(t, want, unnamed(err))
		require.NotContains(t, (&agentError{agent: "a", err: errors.New(unnamed(err))}).Error(), `agent "a": agent "a"`)
	}
}
