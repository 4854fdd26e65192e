package ops

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/seed-ab6af24b/troupe/registry"
)

// DefaultAddress is where Serve listens if it is told no address: on this
// machine only.
const DefaultAddress = "127.0.0.1:8081"

// Bounds of Serve's connections. Answers are small and made at once.
const (
	readTimeout     = 10 * time.Second
	writeTimeout    = 30 * time.Second
	idleTimeout     = 2 * time.Minute
	maxHeaderBytes  = 64 << 10
	shutdownTimeout = 5 * time.Second
)

// Serve serves handler over HTTP at addr ("host:port"; DefaultAddress if empty)
// until ctx ends. Then it takes no more connections, gives the requests it has
// 5 s to end, and returns nil. It returns an error if it cannot listen, or
// cannot any more.
//
// A probe of another machine needs an addr that is not loopback, such as
// ":8081"; see [WithBearerToken], and mind that the connection is not encrypted.
//
// In a process that a registry started (registry.IsChild) Serve serves nothing
// and waits for ctx: its parent has the address, and answers for it.
func Serve(ctx context.Context, addr string, handler http.Handler) error {
	if registry.IsChild() {
		<-ctx.Done()
		return nil
	}
	if addr == "" {
		addr = DefaultAddress
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("ops: %w", err)
	}
	return serve(ctx, listener, handler)
}

// serve takes over the listener.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:        handler,
		ReadTimeout:    readTimeout,
		WriteTimeout:   writeTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("ops: serve %v: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err := server.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-ended //nolint:errcheck // it is http.ErrServerClosed
	if err != nil {
		return fmt.Errorf("ops: stop serving %v: %w", listener.Addr(), err)
	}
	return nil
}
