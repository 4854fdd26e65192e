package devserver

import (
	"errors"
	"fmt"
	"sync"

	"go.temporal.io/server/client"
	"go.temporal.io/server/common"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/testing/testhooks"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"
)

// internode holds the gRPC connections between the services of one server, which the server does not close: they would
// dial dead ports for half an hour after its stop, and find the next server that listens on 7233.
//
// As the server's client.FactoryProvider it sees the connections that the services make by themselves. Their SDK client
// dials a target of the scheme below instead, whose addresses can be taken back.
type internode struct {
	frontend string // host:port

	mu        sync.Mutex
	conns     []*grpc.ClientConn
	resolvers []resolver.ClientConn
	closed    bool
}

func newInternode(frontend string) *internode {
	n := &internode{frontend: frontend}
	frontends.Store(frontend, n)
	return n
}

// close closes the connections and those still to come.
func (n *internode) close() error {
	frontends.CompareAndDelete(n.frontend, n)
	n.mu.Lock()
	n.closed = true
	conns, resolvers := n.conns, n.resolvers
	n.conns, n.resolvers = nil, nil
	n.mu.Unlock()

	for _, cc := range resolvers {
		_ = cc.UpdateState(resolver.State{}) // complains that there is no address
	}
	var err error
	for _, conn := range conns {
		// Some are closed by their users.
		if e := conn.Close(); e != nil && status.Code(e) != codes.Canceled {
			err = errors.Join(err, e)
		}
	}
	return err
}

func (n *internode) track(conn *grpc.ClientConn) *grpc.ClientConn {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		_ = conn.Close()
	}
	n.conns = append(n.conns, conn)
	return conn
}

// NewFactory is the server's own, over connections that are tracked.
func (n *internode) NewFactory(
	rpcFactory common.RPCFactory,
	monitor membership.Monitor,
	metricsHandler metrics.Handler,
	dc *dynamicconfig.Collection,
	testHooks testhooks.TestHooks,
	shards int32,
	logger, throttledLogger log.Logger,
) client.Factory {
	return client.NewFactoryProvider().NewFactory(trackedRPCFactory{rpcFactory, n}, monitor, metricsHandler, dc, testHooks, shards, logger, throttledLogger)
}

type trackedRPCFactory struct {
	common.RPCFactory
	tracker *internode
}

func (f trackedRPCFactory) CreateRemoteFrontendGRPCConnection(addr string) *grpc.ClientConn {
	return f.tracker.track(f.RPCFactory.CreateRemoteFrontendGRPCConnection(addr))
}

func (f trackedRPCFactory) CreateLocalFrontendGRPCConnection() *grpc.ClientConn {
	return f.tracker.track(f.RPCFactory.CreateLocalFrontendGRPCConnection())
}

func (f trackedRPCFactory) CreateHistoryGRPCConnection(addr string) *grpc.ClientConn {
	return f.tracker.track(f.RPCFactory.CreateHistoryGRPCConnection(addr))
}

func (f trackedRPCFactory) CreateMatchingGRPCConnection(addr string) *grpc.ClientConn {
	return f.tracker.track(f.RPCFactory.CreateMatchingGRPCConnection(addr))
}

// frontendScheme is the scheme of gRPC targets that name a frontend of this process, as in
// "devserver:///127.0.0.1:7233".
const frontendScheme = "devserver"

// frontends holds the *internode of each running server by its frontend's host:port.
var frontends sync.Map

func init() { resolver.Register(frontendResolvers{}) } // gRPC allows it at no other time

// target is what the services dial.
func (n *internode) target() string { return frontendScheme + ":///" + n.frontend }

type frontendResolvers struct{}

func (frontendResolvers) Scheme() string { return frontendScheme }

func (frontendResolvers) Build(target resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	found, ok := frontends.Load(target.Endpoint())
	if !ok {
		return nil, fmt.Errorf("no server of this process listens on %s", target.Endpoint())
	}
	n := found.(*internode)
	n.mu.Lock()
	n.resolvers = append(n.resolvers, cc)
	n.mu.Unlock()
	return staticResolver{}, cc.UpdateState(resolver.State{Addresses: []resolver.Address{{Addr: n.frontend}}})
}

// staticResolver has nothing to look up: Build told the address.
type staticResolver struct{}

func (staticResolver) ResolveNow(resolver.ResolveNowOptions) {}
func (staticResolver) Close()                                {}
