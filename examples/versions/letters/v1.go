package letters

import (
	"fmt"

	"go.temporal.io/sdk/workflow"
)

func deliveryV1(ctx workflow.Context, j *journey) error {
	return j.do(ctx, "collected", untilToldToGoOn, "delivered")
}

func subscriptionV1(ctx workflow.Context, j *journey) error {
	for issue := 1; issue <= Issues; issue++ {
		if err := j.do(ctx, fmt.Sprintf("sent issue %d of", issue), untilToldToGoOn); err != nil {
			return err
		}
	}
	return nil
}
