package devserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	// probeTimeout bounds the question whether a port is a Temporal server's. One that is just starting has bound
	// its port a moment before it answers.
	probeTimeout = 3 * time.Second
	// readyTimeout bounds the wait for a server to become usable.
	readyTimeout = 30 * time.Second
	// retention is how long a namespace keeps closed workflows, as with `temporal server start-dev`.
	retention = 24 * time.Hour
)

// connection asks a Temporal server what an SDK client has no call for.
type connection struct {
	hostPort string
	conn     *grpc.ClientConn
	workflow workflowservice.WorkflowServiceClient
	operator operatorservice.OperatorServiceClient
}

func connect(hostPort string) (*connection, error) {
	conn, err := grpc.NewClient("passthrough:///"+hostPort,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(toServiceError))
	if err != nil {
		return nil, fmt.Errorf("connection to %s: %w", hostPort, err)
	}
	return &connection{
		hostPort: hostPort,
		conn:     conn,
		workflow: workflowservice.NewWorkflowServiceClient(conn),
		operator: operatorservice.NewOperatorServiceClient(conn),
	}, nil
}

func (c *connection) close() error { return c.conn.Close() }

// toServiceError gives errors the types of package serviceerror.
func toServiceError(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoke(ctx, method, req, reply, cc, opts...)
	if err == nil {
		return nil
	}
	return serviceerror.FromStatus(serviceerror.ToStatus(err))
}

// isTemporal reports whether a Temporal server answers at the address. Its only error is that of ctx.
func isTemporal(ctx context.Context, addr string) (bool, error) {
	c, err := connect(addr)
	if err != nil {
		return false, nil
	}
	defer func() { _ = c.close() }()
	probe, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	_, err = c.workflow.GetSystemInfo(probe, &workflowservice.GetSystemInfoRequest{})
	return err == nil, ctx.Err()
}

// clusterID tells one Temporal server from another.
func (c *connection) clusterID(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	info, err := c.workflow.GetClusterInfo(ctx, &workflowservice.GetClusterInfoRequest{})
	return info.GetClusterId(), err
}

// awaitUsable returns when clients may use the namespaces and query the search attributes.
func (c *connection) awaitUsable(ctx context.Context, namespaces []string, attributes map[string]enumspb.IndexedValueType) error {
	for _, namespace := range namespaces {
		err := c.retry(ctx, func(ctx context.Context) error { return c.usable(ctx, namespace, attributes) })
		if err != nil {
			return fmt.Errorf("namespace %q of %s: %w", namespace, c.hostPort, err)
		}
	}
	return nil
}

// usable asks for a workflow that does not exist: the answer comes from the history service, which then has its shard.
func (c *connection) usable(ctx context.Context, namespace string, attributes map[string]enumspb.IndexedValueType) error {
	_, err := c.workflow.DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
		Namespace: namespace,
		Execution: &commonpb.WorkflowExecution{WorkflowId: "devserver-is-it-usable"},
	})
	if notFound := new(serviceerror.NotFound); err != nil && !errors.As(err, &notFound) {
		return err
	}
	if len(attributes) == 0 {
		return nil
	}
	var known []string
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		known = append(known, "`"+name+"` IS NULL")
	}
	_, err = c.workflow.CountWorkflowExecutions(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: namespace,
		Query:     strings.Join(known, " AND "),
	})
	if invalid := new(serviceerror.InvalidArgument); errors.As(err, &invalid) {
		return notYetError{err} // a cache does not know the attribute
	}
	return err
}

// ensure creates the namespaces and search attributes that a running server lacks.
func (c *connection) ensure(ctx context.Context, namespaces []string, attributes map[string]enumspb.IndexedValueType) error {
	for _, namespace := range namespaces {
		err := c.retry(ctx, func(ctx context.Context) error { return c.ensureNamespace(ctx, namespace) })
		if err == nil && len(attributes) > 0 {
			err = c.retry(ctx, func(ctx context.Context) error { return c.ensureSearchAttributes(ctx, namespace, attributes) })
		}
		if err != nil {
			return fmt.Errorf("namespace %q of %s: %w", namespace, c.hostPort, err)
		}
	}
	return nil
}

func (c *connection) ensureNamespace(ctx context.Context, namespace string) error {
	_, err := c.workflow.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	if missing := new(serviceerror.NamespaceNotFound); !errors.As(err, &missing) {
		return err
	}
	_, err = c.workflow.RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace:                        namespace,
		WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	})
	if exists := new(serviceerror.NamespaceAlreadyExists); errors.As(err, &exists) {
		return nil
	}
	return err
}

func (c *connection) ensureSearchAttributes(ctx context.Context, namespace string, attributes map[string]enumspb.IndexedValueType) error {
	have, err := c.operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return err
	}
	missing := map[string]enumspb.IndexedValueType{}
	for name, kind := range attributes {
		found, ok := have.GetCustomAttributes()[name]
		switch {
		case !ok:
			missing[name] = kind
		case found != kind:
			return fmt.Errorf("search attribute %q exists with the type %v, so it can't be a %v", name, found, kind)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = c.operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace:        namespace,
		SearchAttributes: missing,
	})
	return err
}

// notYetError marks an error that goes away by itself.
type notYetError struct{ error }

func (e notYetError) Unwrap() error { return e.error }

// retry calls f until it succeeds, fails for good, ctx ends or readyTimeout is over.
func (c *connection) retry(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f(ctx)
		if err == nil || !passing(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not usable yet: %w: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// passing reports whether an error is of a server that is still starting or busy.
func passing(err error) bool {
	if errors.As(err, new(notYetError)) || errors.As(err, new(*serviceerror.NamespaceNotFound)) {
		return true
	}
	switch serviceerror.ToStatus(err).Code() {
	case codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded, codes.Aborted, codes.Internal:
		return true
	default:
		return false
	}
}
