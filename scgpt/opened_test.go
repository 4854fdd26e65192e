package scgpt

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
)

// An open file that reads fail of is opened anew by the next attempt.
func TestBrokenFileIsOpenedAnew(t *testing.T) {
	a, _, cells := started(t)
	plan, err := do(t, a, api.PlanCells, api.PlanRequest{Task: api.TaskEmbed, ExpressionData: cells, ShardCells: 60})
	require.NoError(t, err)
	shard := func(i int) error {
		_, err := do(t, a, api.EmbedShard, api.ShardRequest{Plan: plan, Index: i, NoMemo: true})
		return err
	}
	require.NoError(t, shard(0))
	require.NoError(t, a.opened.last.Close()) // its reads fail from now on, as those of a stale handle do
	err = shard(1)
	_, classed := retry.ClassOf(err)
	require.ErrorContains(t, err, "file already closed")
	require.False(t, classed, "%v", err)
	require.NoError(t, shard(1))

	ended, end := context.WithCancel(t.Context())
	end()
	eng, err := a.models.Load().get("")
	require.NoError(t, err)
	for _, c := range []struct {
		name string
		ctx  context.Context
		err  error
		kept bool
	}{
		{"success", t.Context(), nil, true},
		{"a cancellation", ended, context.Canceled, true},
		{"bad data", t.Context(), retry.InvalidData.Errorf("NaN"), true},
		{"a failed read", t.Context(), errors.New("input/output error"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			open := func() *sharedCells {
				s, err := a.opened.open(eng, cells, plan.Input, engine.Options{})
				require.NoError(t, err)
				return s
			}
			first, beside := open(), open()
			first.release(c.ctx, c.err)
			require.Equal(t, c.kept, a.opened.last == first)
			beside.release(c.ctx, c.err) // its file is no longer that of the owner: nothing more to drop
			next := open()
			require.Equal(t, c.kept, next == first)
			next.release(t.Context(), nil)
		})
	}
}
