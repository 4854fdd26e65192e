package main

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
)

// Who interrupts a wait hears that the workflow is not interrupted.
func TestInterruptedWait(t *testing.T) {
	ended, stop := context.WithCancel(t.Context())
	stop()
	failed := &temporal.WorkflowExecutionError{}
	for name, c := range map[string]struct {
		ctx  context.Context //nolint:containedctx // it is a case's
		err  error
		want string // "" for the error itself
	}{
		"a signal":                    {ended, context.Canceled, "the wait was interrupted by a signal; the workflow w1 is not: wait again with result w1 --wait, or end it with cancel w1"},
		"a failure":                   {t.Context(), errors.New("no such workflow"), ""},
		"a failure and then a signal": {ended, failed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := interrupted(c.ctx, "w1", c.err)
			if c.want == "" {
				require.Same(t, c.err, got)
				return
			}
			require.EqualError(t, got, c.want)
		})
	}
}
