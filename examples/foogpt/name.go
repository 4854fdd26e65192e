package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/foogpt/api"
)

func nameCommand(to *connection) *cobra.Command {
	var (
		req     api.NameClustersRequest
		timeout time.Duration
		asJSON  bool
	)
	cmd := &cobra.Command{
		Use:     "name --cluster ID=GENE,GENE,...",
		Short:   "Start the workflow, wait for its result and print it",
		Example: `  foogpt name --cluster "c0=CD79A,MS4A1" --cluster "c1=NKG7,GNLY"`,
		Args:    cobra.NoArgs,
		RunE: work(func(ctx context.Context, out io.Writer) error {
			result, err := name(ctx, *to, req, timeout)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(out, result)
			}
			return writeTable(out, result)
		}),
	}
	cmd.Flags().Var((*clusters)(&req.Clusters), "cluster", "a cluster and its marker genes, best first; may be given more than once")
	_ = cmd.MarkFlagRequired("cluster") // fails for a flag that is not there
	cmd.Flags().StringVar(&req.Tissue, "tissue", "", "compare with the cell types of this tissue only")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to wait for the result")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// name is all that another service does to use the agent.
func name(ctx context.Context, to connection, req api.NameClustersRequest, timeout time.Duration) (api.NamingWorkflowResult, error) {
	var none api.NamingWorkflowResult
	c, err := to.dial(ctx)
	if err != nil {
		return none, err
	}
	defer c.Close()
	run, err := api.Naming.Start(ctx, c, req)
	if err != nil {
		return none, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result, err := run.Get(ctx)
	if err != nil && ctx.Err() != nil {
		return none, fmt.Errorf("stopped waiting for workflow %s, which goes on: does a worker poll %s? (%w)",
			run.ID(), api.Domain.TaskQueue, ctx.Err())
	}
	return result, err
}

func writeTable(w io.Writer, result api.NamingWorkflowResult) error {
	var rows strings.Builder
	rows.WriteString("CLUSTER\tNAME\tCONFIDENCE\tEVIDENCE\n")
	for _, n := range result.Names {
		fmt.Fprintf(&rows, "%s\t%s\t%.2f\t%s\n", n.ID, n.Name, n.Confidence, strings.Join(n.Evidence, " "))
	}
	fmt.Fprintf(&rows, "named by: %s\n", result.Method)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(t, rows.String()); err != nil {
		return err
	}
	return t.Flush()
}

// clusters is the value of a flag that is given once for each cluster.
type clusters []api.Cluster

// Set adds the cluster of ID=GENE,GENE,...
func (c *clusters) Set(text string) error {
	id, genes, ok := strings.Cut(text, "=")
	if !ok {
		return errors.New("want ID=GENE,GENE,..., as in c0=CD79A,MS4A1")
	}
	cluster := api.Cluster{ID: strings.TrimSpace(id)}
	for gene := range strings.SplitSeq(genes, ",") {
		cluster.Genes = append(cluster.Genes, strings.TrimSpace(gene))
	}
	*c = append(*c, cluster)
	return nil
}

func (c *clusters) String() string { return "" }
func (c *clusters) Type() string   { return "ID=GENES" }
