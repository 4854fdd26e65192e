package main

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/examples/reminder/reminder"
)

// The memo's keys: what status shows of a workflow without asking a worker.
const (
	memoAt   = "at"
	memoText = "text"
)

func startCommand(to *connection) *cobra.Command {
	var (
		req        reminder.Request
		in, spread time.Duration
		id         string
		asJSON     bool
	)
	cmd := &cobra.Command{
		Use:     "start --in DURATION --text TEXT",
		Short:   "Start a reminder and print its workflow's id",
		Example: `  reminder start --in 30s --text "call Ada"`,
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error {
			if in < 0 || in > reminder.MaxAhead {
				return fmt.Errorf("--in is %v, want 0 to %v", in, reminder.MaxAhead)
			}
			if spread%time.Second != 0 {
				return fmt.Errorf("--spread is %v, want whole seconds", spread)
			}
			return nil
		},
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			// A client is no workflow: the clock and random ids are its own.
			if id == "" {
				id = "reminder-" + rand.Text()[:8]
			}
			req.At = time.Now().Add(in)
			req.SpreadSeconds = int(spread / time.Second)
			c, err := to.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			run, err := reminder.Remind.Start(cmd.Context(), c, req, agent.WithID(id), memo(req))
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), map[string]string{"workflow_id": run.ID()})
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), run.ID())
			return err
		}),
	}
	cmd.Flags().DurationVar(&in, "in", 0, "how long until the reminder is due, such as 30s or 24h")
	cmd.Flags().StringVar(&req.Text, "text", "", "the reminder, one line")
	cmd.Flags().DurationVar(&spread, "spread", 0, "add a random time of at most this")
	cmd.Flags().StringVar(&id, "id", "", "the workflow's id, which can be used once (default: a random one)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	_ = cmd.MarkFlagRequired("in") // fails for a flag that is not there
	_ = cmd.MarkFlagRequired("text")
	return cmd
}

func memo(req reminder.Request) agent.StartOption {
	return func(o *client.StartWorkflowOptions) {
		o.Memo = map[string]any{memoAt: req.At.Truncate(time.Second), memoText: req.Text}
	}
}
