package letters

import (
	"fmt"

	"go.temporal.io/sdk/workflow"
)

// deliveryV2 sorts letters before they go out. Deliveries are pinned: those that
// v1 has begun never come here, and nothing has to be said about them.
func deliveryV2(ctx workflow.Context, j *journey) error {
	return j.do(ctx, "collected", "sorted", untilToldToGoOn, "delivered")
}

// subscriptionV2 wraps each issue. Subscriptions move here in the middle of their
// lives, and what v1 has done is replayed by this code: the issues that were sent
// without a wrapping have to come out as they were. GetVersion tells the two
// apart; its name differs by issue, for it answers the same for the rest of a
// workflow's life.
func subscriptionV2(ctx workflow.Context, j *journey) error {
	for issue := 1; issue <= Issues; issue++ {
		wrapped := workflow.GetVersion(ctx, fmt.Sprintf("wrap-issue-%d", issue), workflow.DefaultVersion, 1) >= 1
		if wrapped {
			if err := j.do(ctx, fmt.Sprintf("wrapped issue %d of", issue)); err != nil {
				return err
			}
		}
		if err := j.do(ctx, fmt.Sprintf("sent issue %d of", issue), untilToldToGoOn); err != nil {
			return err
		}
	}
	return nil
}
