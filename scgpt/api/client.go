package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	sdklog "go.temporal.io/sdk/log"

	"github.com/seed-ab6af24b/troupe/agent"
)

// TemporalConfig says where Temporal is. Empty fields come from the TEMPORAL_*
// environment variables and temporal.toml, as in the SDK's envconfig, and then
// default to localhost:7233, the namespace default and the queue scgpt-tasks.
type TemporalConfig struct {
	Address   string
	Namespace string
	TaskQueue string
	// Logger takes the SDK's log; nil discards it.
	Logger *slog.Logger
	// ClientOptions, if set, changes the options of [Connect]'s connection in
	// place, after everything else: codecs, interceptors, credentials.
	ClientOptions func(*client.Options)
}

// Client starts workflows of the agent and follows them. It is safe for concurrent
// use.
type Client struct {
	temporal  client.Client
	namespace string
	queue     string
	owned     bool
}

// Connect connects to Temporal. Close the client after use.
func Connect(ctx context.Context, cfg TemporalConfig) (*Client, error) {
	opts, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return nil, fmt.Errorf("load the configuration of the Temporal client: %w", err)
	}
	if cfg.Address != "" {
		opts.HostPort = cfg.Address
	}
	if cfg.Namespace != "" {
		opts.Namespace = cfg.Namespace
	}
	logger := cfg.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	opts.Logger = sdklog.NewStructuredLogger(logger)
	if cfg.ClientOptions != nil {
		cfg.ClientOptions(&opts)
	}
	c, err := client.DialContext(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("connect to Temporal: %w", err)
	}
	cfg.Namespace = opts.Namespace
	cl := NewClient(c, cfg)
	cl.owned = true
	return cl, nil
}

// NewClient returns a Client over a connection that the program has, and which
// Close leaves open. Of cfg it takes the namespace, which must be that of c, and
// the task queue.
func NewClient(c client.Client, cfg TemporalConfig) *Client {
	return &Client{
		temporal:  c,
		namespace: cmp.Or(cfg.Namespace, client.DefaultNamespace),
		queue:     cmp.Or(cfg.TaskQueue, Domain.TaskQueue),
	}
}

// TaskQueue is the queue that workflows are started on.
func (c *Client) TaskQueue() string { return c.queue }

// Close closes the connection that Connect opened.
func (c *Client) Close() {
	if c.owned {
		c.temporal.Close()
	}
}

// Temporal returns the SDK's client below, for what Client has no method for.
func (c *Client) Temporal() client.Client { return c.temporal }

// Namespace returns the namespace that the client works in.
func (c *Client) Namespace() string { return c.namespace }

// StartAnalysis starts an analysis and returns the workflow's id,
// scgpt-analysis- and 8 hexadecimal digits.
func (c *Client) StartAnalysis(ctx context.Context, req AnalysisWorkflowRequest) (string, error) {
	return start(ctx, c, Analysis, req, "scgpt-analysis-", "scGPT analysis of "+req.ExpressionData)
}

// StartAnnotation starts a workflow that labels the cells of a file, and returns
// its id. So do the methods below for the other operations.
func (c *Client) StartAnnotation(ctx context.Context, req AnnotationRequest) (string, error) {
	return start(ctx, c, Annotation, req, "scgpt-annotation-", "label the cells of "+req.ExpressionData)
}

// StartIntegration starts the integration of batches.
func (c *Client) StartIntegration(ctx context.Context, req BatchIntegrationRequest) (string, error) {
	return start(ctx, c, Integration, req, "scgpt-integration-", "integrate the batches of "+req.ExpressionData)
}

// StartCellEmbedding starts the embedding of a file's cells.
func (c *Client) StartCellEmbedding(ctx context.Context, req CellEmbeddingRequest) (string, error) {
	return start(ctx, c, CellEmbedding, req, "scgpt-embedding-", "embed the cells of "+req.ExpressionData)
}

// StartGeneEmbedding starts a workflow that looks up vectors of genes.
func (c *Client) StartGeneEmbedding(ctx context.Context, req EmbeddingRequest) (string, error) {
	return start(ctx, c, GeneEmbedding, req, "scgpt-genes-", "vectors of genes")
}

func start[In, Out any](ctx context.Context, c *Client, w agent.Workflow[In, Out], req In, prefix, summary string) (string, error) {
	run, err := w.Start(ctx, c.temporal, req, agent.WithID(newID(prefix)), agent.OnTaskQueue(c.queue), agent.StaticSummary(summary))
	if err != nil {
		return "", err
	}
	return run.ID(), nil
}

func newID(prefix string) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return prefix + hex.EncodeToString(b[:])
}

// RunAnalysis starts an analysis. With wait, it returns when the analysis has
// ended, with its result; otherwise at once, with the ids and the status alone.
// The error of an analysis that has failed has a class ([retry.ClassOf]), and the
// result names the workflow. Without a worker it waits: see [Client.Polled].
func (c *Client) RunAnalysis(ctx context.Context, req AnalysisWorkflowRequest, wait bool) (WorkflowResult, error) {
	id, err := c.StartAnalysis(ctx, req)
	if err != nil {
		return WorkflowResult{}, err
	}
	if wait {
		r, err := c.Result(ctx, id)
		r.WorkflowID = id
		return r, err
	}
	s, err := c.describe(ctx, id)
	if err != nil {
		return WorkflowResult{}, err
	}
	return outcomeOf[AnalysisWorkflowResult](s, nil), nil
}

// Cancel asks a workflow to end; it removes what it has computed so far. One that
// has ended already is an error.
func (c *Client) Cancel(ctx context.Context, id string) error {
	if err := c.running(ctx, id); err != nil {
		return err
	}
	return c.temporal.CancelWorkflow(ctx, id, "")
}

// Terminate ends a workflow at once, for a reason that its history keeps. The
// shard files that it has computed stay, in a folder beside the output. One that
// has ended already is an error.
func (c *Client) Terminate(ctx context.Context, id, reason string) error {
	if err := c.running(ctx, id); err != nil {
		return err
	}
	return c.temporal.TerminateWorkflow(ctx, id, "", reason)
}

// running says why a workflow cannot be ended. The server takes a cancellation of
// one that has ended without a word.
func (c *Client) running(ctx context.Context, id string) error {
	s, err := c.describe(ctx, id)
	if err == nil && s.Status != StatusRunning {
		err = fmt.Errorf("workflow %q has ended already: it is %s", id, s.Status)
	}
	return err
}
