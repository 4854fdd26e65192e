package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	sdklog "go.temporal.io/sdk/log"
)

// connection is how an agent gets its client.
type connection struct {
	// dial makes a client. close releases it, or nothing where the client
	// belongs to the program.
	dial func(ctx context.Context) (c client.Client, close func(), err error)
	// target names where the client leads, for people.
	target string
	// namespace is empty where only the client knows it.
	namespace string
	// cluster tells connections apart: two agents on task queues of one
	// name are in each other's way only within one cluster and namespace.
	cluster any
	// identity is the client's, empty where only the client knows it.
	identity string
	// tls tells that the client speaks TLS, as far as the registry knows.
	tls bool
}

// connect decides where the agent's client comes from.
func connect(o Options, s settings, agentName string, log *slog.Logger) (connection, error) {
	given := s.client
	if given == nil {
		given = o.Client
	}
	switch {
	case given != nil && s.clientOptions != nil, o.Dial != nil && s.clientOptions != nil:
		return connection{}, errors.New("WithClientOptions has no effect on a client that the registry does not make")
	case given != nil:
		return connection{
			dial: func(context.Context) (client.Client, func(), error) {
				return given, func() {}, nil
			},
			target: "the program's client", namespace: s.namespace, cluster: identityOf(given),
		}, nil
	case o.Dial != nil:
		return connection{
			dial: func(ctx context.Context) (client.Client, func(), error) {
				c, err := o.Dial(ctx, agentName)
				if err == nil && c == nil {
					err = errors.New("Options.Dial returned no client")
				}
				if err != nil {
					return nil, nil, err
				}
				return c, c.Close, nil
			},
			target: "what Options.Dial dials", namespace: s.namespace, cluster: "dial",
		}, nil
	}
	opts, err := clientOptions(o, s, agentName, log)
	if err == nil {
		err = checkAddress(opts.HostPort)
	}
	if err != nil {
		return connection{}, err
	}
	return connection{
		dial: func(ctx context.Context) (client.Client, func(), error) {
			c, err := client.DialContext(ctx, opts)
			if err != nil {
				return nil, nil, err
			}
			return c, c.Close, nil
		},
		target: opts.HostPort, namespace: opts.Namespace, cluster: opts.HostPort, identity: opts.Identity,
		tls: opts.ConnectionOptions.TLS != nil && !opts.ConnectionOptions.TLSDisabled,
	}, nil
}

// clientOptions are, each changing what comes before: the registry's defaults,
// temporal.toml, TEMPORAL_*, WithNamespace, Options.Observer,
// Options.ClientOptions, WithClientOptions.
func clientOptions(o Options, s settings, agentName string, log *slog.Logger) (client.Options, error) {
	opts, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return opts, fmt.Errorf("client configuration from the environment and temporal.toml: %w", err)
	}
	opts.Logger = sdklog.NewStructuredLogger(log)
	opts.Identity = clientIdentity(agentName)
	opts.SdkName, opts.SdkVersion = "troupe", version()
	if s.namespace != "" {
		opts.Namespace = s.namespace
	}
	o.Observer.ObserveClient(agentName, &opts)
	for _, change := range []func(*client.Options){o.ClientOptions, s.clientOptions} {
		if change != nil {
			change(&opts)
		}
	}
	if opts.HostPort == "" {
		opts.HostPort = client.DefaultHostPort
	}
	if opts.Namespace == "" {
		opts.Namespace = client.DefaultNamespace
	}
	if opts.Identity == "" {
		opts.Identity = clientIdentity(agentName)
	}
	return opts, nil
}

// identityOf returns what tells clients apart and can be compared.
func identityOf(c client.Client) any {
	if reflect.ValueOf(c).Comparable() {
		return c
	}
	return reflect.TypeOf(c)
}

// version is that of the Troupe module in this program, as worker heartbeats
// report it.
func version() string {
	const module = "github.com/seed-ab6af24b/troupe"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module && m.Version != "" {
			return m.Version
		}
	}
	return "devel"
}
