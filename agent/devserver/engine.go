package devserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"
	"google.golang.org/grpc"
)

// clusterName is what `temporal server start-dev` calls its cluster, so that either opens the other's file.
const clusterName = "active"

// engine is the Temporal server itself: frontend, history, matching and worker service in this process.
type engine struct {
	server    temporal.Server
	internode *internode
	log       serverLogger
	stopping  atomic.Bool
}

// enginePorts are the ports beside the frontend's gRPC port.
type enginePorts struct {
	history, matching, worker int
	http                      int // the frontend's HTTP API, which Nexus calls need
}

func chooseEnginePorts(frontendHost string) (ports enginePorts, err error) {
	for _, p := range []*int{&ports.history, &ports.matching, &ports.worker} {
		if *p, err = freePort(DefaultHost); err != nil {
			return ports, err
		}
	}
	ports.http, err = freePort(frontendHost)
	return ports, err
}

// startEngine starts the server on host:port over the database.
func startEngine(o Options, port int, sql *config.SQL) (*engine, error) {
	ports, err := chooseEnginePorts(o.Host)
	if err != nil {
		return nil, err
	}
	e := &engine{
		internode: newInternode(hostPort(o.dialHost(), port)),
		log:       newServerLogger(o.Logger),
	}
	err = e.guard(func() error {
		var err error
		if e.server, err = e.newServer(o, port, ports, sql); err != nil {
			return err
		}
		return e.server.Start()
	})
	if err != nil {
		_ = e.stop()
		return nil, fmt.Errorf("temporal server: %w", err)
	}
	return e, nil
}

// stop returns when everything has stopped. Its error is also what the server could not survive while it ran.
func (e *engine) stop() error {
	e.stopping.Store(true)
	var err error
	if e.server != nil {
		err = e.guard(e.server.Stop)
	}
	return errors.Join(err, e.internode.close())
}

// refuseWorkers lets no worker start while the server stops. A namespace gets its system worker on a goroutine that looks
// only once, at its beginning, whether the server still runs: one that comes late would leave a worker that polls for
// the life of the process. Every worker begins with this call.
func (e *engine) refuseWorkers(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if _, ok := req.(*workflowservice.DescribeNamespaceRequest); ok && e.stopping.Load() {
		return nil, serviceerror.NewFailedPrecondition("the server is stopping") // clients retry Unavailable for a while
	}
	return handle(ctx, req)
}

// guard runs f on a goroutine of its own, where neither a panic nor a fatal log record of the server harms the caller.
func (e *engine) guard(f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errors.New("goroutine ended")
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("panic: %v", r)
			}
			if fatal := e.log.fatal.get(); fatal != nil {
				err = fatal
			}
			done <- err
		}()
		err = f()
	}()
	return <-done
}

func (e *engine) newServer(o Options, port int, ports enginePorts, sql *config.SQL) (temporal.Server, error) {
	c := engineConfig(o, port, ports, sql)
	c.PublicClient.HostPort = e.internode.target()
	authorizer, err := authorization.GetAuthorizerFromConfig(&c.Global.Authorization)
	if err != nil {
		return nil, err
	}
	// Static hosts instead of gossip: no membership ports, and nothing to wait for.
	hosts := map[primitives.ServiceName]static.Hosts{}
	for name, service := range c.Services {
		ip := DefaultHost
		if name == string(primitives.FrontendService) {
			ip = o.dialHost()
		}
		hosts[primitives.ServiceName(name)] = static.SingleLocalHost(hostPort(ip, service.RPC.GRPCPort))
	}
	var values dynamicconfig.Client = dynamicConfig(o)
	if o.wrapConfig != nil {
		values = o.wrapConfig(values)
	}
	return temporal.NewServer(
		temporal.WithConfig(c),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(hosts),
		temporal.WithLogger(e.log),
		temporal.WithClientFactoryProvider(e.internode),
		temporal.WithAuthorizer(authorizer),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return authorization.NewNoopClaimMapper() }),
		temporal.WithChainedFrontendGrpcInterceptors(e.refuseWorkers),
		temporal.WithDynamicConfigClient(values),
	)
}

// engineConfig describes one host with one shard. Only the frontend leaves loopback, if Host says so.
func engineConfig(o Options, port int, ports enginePorts, sql *config.SQL) *config.Config {
	const store = "sqlite"
	c := &config.Config{
		Persistence: config.Persistence{
			DefaultStore:     store,
			VisibilityStore:  store,
			NumHistoryShards: 1,
			DataStores:       map[string]config.DataStore{store: {SQL: sql}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {
					Enabled:                true,
					InitialFailoverVersion: 1,
					RPCAddress:             hostPort(o.dialHost(), port),
					HTTPAddress:            hostPort(o.dialHost(), ports.http),
				},
			},
		},
		Services: map[string]config.Service{
			string(primitives.FrontendService): {RPC: config.RPC{GRPCPort: port, HTTPPort: ports.http, BindOnIP: o.Host}},
			string(primitives.HistoryService):  {RPC: config.RPC{GRPCPort: ports.history, BindOnIP: DefaultHost}},
			string(primitives.MatchingService): {RPC: config.RPC{GRPCPort: ports.matching, BindOnIP: DefaultHost}},
			string(primitives.WorkerService):   {RPC: config.RPC{GRPCPort: ports.worker, BindOnIP: DefaultHost}},
		},
	}
	c.Global.Membership.MaxJoinDuration = 30 * time.Second
	c.Global.Membership.BroadcastAddress = DefaultHost
	c.DCRedirectionPolicy.Policy = "noop"
	c.Archival.History.State = config.ArchivalDisabled
	c.Archival.Visibility.State = config.ArchivalDisabled
	c.NamespaceDefaults.Archival.History.State = config.ArchivalDisabled
	c.NamespaceDefaults.Archival.Visibility.State = config.ArchivalDisabled
	return c
}

func hostPort(host string, port int) string {
	return net.JoinHostPort(host, strconv.Itoa(port))
}
