package main

import (
	"context"
	"log/slog"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	sdklog "go.temporal.io/sdk/log"
)

// connection is what the flags say of the Temporal server; empty fields leave
// it to the environment and temporal.toml.
type connection struct{ address, namespace string }

// apply changes what the environment and temporal.toml say.
func (c connection) apply(o *client.Options) {
	if c.address != "" {
		o.HostPort = c.address
	}
	if c.namespace != "" {
		o.Namespace = c.namespace
	}
}

func (c connection) dial(ctx context.Context) (client.Client, error) {
	o, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return nil, err
	}
	c.apply(&o)
	o.Logger = sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))
	return client.DialContext(ctx, o)
}
