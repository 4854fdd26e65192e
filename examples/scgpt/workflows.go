package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/temporal"

	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// withClient makes a command that takes a workflow id and talks to Temporal.
func (a *app) withClient(use, short string, f func(cmd *cobra.Command, c *api.Client, id string) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " ID", Short: short, Args: oneArg("the workflow's id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			return f(cmd, c, args[0])
		},
	}
}

func (a *app) statusCommand() *cobra.Command {
	return a.withClient("status", "Show how a workflow stands", func(cmd *cobra.Command, c *api.Client, id string) error {
		s, err := c.Status(cmd.Context(), id)
		if err != nil {
			return err
		}
		if s.Unattended {
			a.printUnattended(s.TaskQueue)
		}
		if a.json {
			a.printJSON(s)
			return nil
		}
		fmt.Fprintf(a.stdout, "%s  %s  started %s", s.WorkflowID, s.Status, s.Started.Local().Format(time.DateTime))
		if p := s.Progress; p != nil {
			fmt.Fprintf(a.stdout, "  %s: %d of %d cells, %d of %d shards", phaseOf(*p), p.CellsDone, p.CellsTotal, p.ShardsDone, p.ShardsTotal)
			if p.Estimate != nil && s.Status == api.StatusRunning {
				fmt.Fprintf(a.stdout, "\n  estimate: %s", estimate(*p.Estimate))
			}
		}
		fmt.Fprintln(a.stdout)
		for _, t := range s.Attempts {
			fmt.Fprintf(a.stdout, "  %s, attempt %d: %s\n", t.Activity, t.Attempt, t.Failure)
		}
		return nil
	})
}

// printUnattended says on standard error why nothing happens.
func (a *app) printUnattended(queue string) {
	fmt.Fprintf(a.stderr, "no worker polls the task queue %s: what is started waits until one does (scgpt worker)\n", queue)
}

func (a *app) resultCommand() *cobra.Command {
	var wait bool
	cmd := a.withClient("result", "Show the result of a workflow", func(cmd *cobra.Command, c *api.Client, id string) error {
		get := api.WaitNow[json.RawMessage]
		if wait {
			get = api.Wait[json.RawMessage]
		}
		r, err := get(cmd.Context(), c, id)
		if wait {
			err = interrupted(cmd.Context(), id, err)
		}
		if err != nil {
			return err
		}
		if a.json {
			a.printJSON(r)
			return nil
		}
		return a.printResult(r)
	})
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the workflow has ended")
	return cmd
}

// interrupted says of the error of a wait for a workflow, if a signal ended the
// wait, what that means for the workflow.
func interrupted(ctx context.Context, id string, err error) error {
	var ended *temporal.WorkflowExecutionError
	if err == nil || ctx.Err() == nil || errors.As(err, &ended) {
		return err
	}
	return fmt.Errorf("the wait was interrupted by a signal; the workflow %s is not: wait again with result %s --wait, or end it with cancel %s", id, id, id)
}

// printResult prints what a workflow of any type returned, for a person.
func (a *app) printResult(r api.Outcome[json.RawMessage]) error {
	switch r.Type {
	case api.Analysis.Name():
		return show(*r.Result, a.printAnalysis)
	case api.Annotation.Name():
		return show(*r.Result, a.printAnnotation)
	case api.Integration.Name():
		return show(*r.Result, a.printIntegration)
	case api.CellEmbedding.Name():
		return show(*r.Result, a.printEmbedding)
	case api.GeneEmbedding.Name():
		return show(*r.Result, a.printGenes)
	default:
		fmt.Fprintln(a.stdout, string(*r.Result))
		return nil
	}
}

func show[T any](data json.RawMessage, print func(T)) error {
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return fmt.Errorf("the result is not that of this program's version: %w", err)
	}
	print(v)
	return nil
}

func (a *app) cancelCommand() *cobra.Command {
	return a.withClient("cancel", "Ask a workflow to end", func(cmd *cobra.Command, c *api.Client, id string) error {
		if err := c.Cancel(cmd.Context(), id); err != nil {
			return err
		}
		return a.done("cancel requested", id)
	})
}

func (a *app) terminateCommand() *cobra.Command {
	var reason string
	cmd := a.withClient("terminate", "End a workflow at once", func(cmd *cobra.Command, c *api.Client, id string) error {
		if err := c.Terminate(cmd.Context(), id, reason); err != nil {
			return err
		}
		return a.done("terminated", id)
	})
	cmd.Flags().StringVar(&reason, "reason", "", "the reason, kept in the workflow's history")
	return cmd
}

func (a *app) done(what, id string) error {
	if a.json {
		a.printJSON(map[string]string{"workflow_id": id, "status": what})
	} else {
		fmt.Fprintf(a.stdout, "%s: %s\n", id, what)
	}
	return nil
}

func (a *app) listCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List the latest workflows", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usagef("--limit is %d: want 1 or more", limit)
			}
			c, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			list, err := c.List(cmd.Context(), limit)
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(map[string]any{"workflows": list})
				return nil
			}
			for _, s := range list {
				fmt.Fprintf(a.stdout, "%-28s %-28s %-16s %s\n", s.WorkflowID, s.Type, s.Status, s.Started.Local().Format(time.DateTime))
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "how many")
	return cmd
}
