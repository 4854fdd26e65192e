package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/seed-ab6af24b/troupe/examples/reminder/reminder"
)

// reminderStatus is how a reminder stands.
type reminderStatus struct {
	WorkflowID string    `json:"workflow_id"`
	Status     string    `json:"status"` // running, completed, …
	At         time.Time `json:"at"`
	Text       string    `json:"text"`
}

func statusCommand(to *connection) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [ID]",
		Short: "Show one reminder, or the latest hundred; no worker needs to be there",
		Args:  cobra.MaximumNArgs(1),
		RunE: work(func(cmd *cobra.Command, args []string) error {
			c, err := to.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			reminders, err := statuses(cmd.Context(), c, args)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), reminders)
			}
			return writeTable(cmd.OutOrStdout(), reminders)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

// statuses asks the server alone, so that the answer does not wait for a worker
// as that to a query of the workflow would.
func statuses(ctx context.Context, c client.Client, ids []string) ([]reminderStatus, error) {
	all := []reminderStatus{}
	for _, id := range ids {
		d, err := c.DescribeWorkflowExecution(ctx, id, "")
		if err != nil {
			return nil, err
		}
		all = append(all, statusOf(d.GetWorkflowExecutionInfo()))
	}
	if len(ids) > 0 {
		return all, nil
	}
	page, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 100, Query: fmt.Sprintf("WorkflowType = %q", reminder.Remind.Name()),
	})
	if err != nil {
		return nil, err
	}
	for _, info := range page.GetExecutions() {
		all = append(all, statusOf(info))
	}
	return all, nil
}

func statusOf(info *workflowpb.WorkflowExecutionInfo) reminderStatus {
	s := reminderStatus{
		WorkflowID: info.GetExecution().GetWorkflowId(),
		Status:     strings.ToLower(info.GetStatus().String()),
	}
	fields := info.GetMemo().GetFields()
	fromMemo(fields[memoAt], &s.At)
	fromMemo(fields[memoText], &s.Text)
	return s
}

// fromMemo leaves v as it is where there is nothing to read: the workflow may
// have been started by another program.
func fromMemo(p *commonpb.Payload, v any) {
	if p != nil {
		_ = converter.GetDefaultDataConverter().FromPayload(p, v)
	}
}

func writeTable(w io.Writer, reminders []reminderStatus) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "WORKFLOW\tSTATUS\tAT\tTEXT")
	for _, r := range reminders {
		at := "unknown"
		if !r.At.IsZero() {
			at = r.At.Local().Format(time.DateTime)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r.WorkflowID, r.Status, at, r.Text)
	}
	return t.Flush()
}
