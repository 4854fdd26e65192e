package lease

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/seed-ab6af24b/troupe/agent"
)

// heartbeats are the heartbeats of a waiting activity; outside of an activity there
// are none.
type heartbeats struct {
	lease  *Lease
	since  time.Time
	ticker *time.Ticker
	ticks  <-chan time.Time
}

func (l *Lease) startBeats(ctx context.Context) *heartbeats {
	b := &heartbeats{lease: l, since: time.Now()}
	if activity.IsActivity(ctx) {
		b.ticker = time.NewTicker(agent.HeartbeatInterval)
		b.ticks = b.ticker.C
	}
	return b
}

func (b *heartbeats) stop() {
	if b.ticker != nil {
		b.ticker.Stop()
	}
}

func (b *heartbeats) beat(ctx context.Context, ahead int) {
	switch {
	case b.ticker == nil:
	case b.lease.heartbeat != nil:
		b.lease.heartbeat(ctx, Wait{Lease: b.lease.name, Ahead: ahead, Since: b.since})
	default:
		repeatHeartbeat(ctx)
	}
}

// repeatHeartbeat records a heartbeat with the details of the last attempt:
// a heartbeat without them would make the next attempt start from nothing.
func repeatHeartbeat(ctx context.Context) {
	var details converter.RawValue
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &details) == nil {
		activity.RecordHeartbeat(ctx, details)
		return
	}
	activity.RecordHeartbeat(ctx)
}
