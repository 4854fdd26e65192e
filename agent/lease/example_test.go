package lease_test

import (
	"context"
	"fmt"
	"os"

	"github.com/seed-ab6af24b/troupe/agent/lease"
)

// Two agents share a GPU: whichever of their activities comes first has it.
func Example() {
	dir, err := os.MkdirTemp("", "lease") // in earnest a folder such as /run/troupe
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()

	gpu, err := lease.New("cuda:0", lease.Options{Dir: dir, Agent: "scgpt"})
	if err != nil {
		fmt.Println(err)
		return
	}
	embed := func(ctx context.Context) error {
		release, err := gpu.Acquire(ctx)
		if err != nil {
			return err
		}
		defer release()
		holders, err := gpu.Holders()
		if err != nil {
			return err
		}
		fmt.Println(len(holders), "holder:", holders[0].Agent)
		return nil
	}
	if err := embed(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: 1 holder: scgpt
}
