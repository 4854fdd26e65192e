package devserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// dialTimeout bounds a look at a port of this machine. A refused connection is known at once, except on Windows,
// which tries three times over two seconds.
const dialTimeout = 250 * time.Millisecond

// listening reports whether a program accepts connections there. Binding alone would not tell: some systems let
// 127.0.0.1 be bound while another program has bound every address.
func listening(ctx context.Context, addr string) bool {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// errTaken is why a port can't be used on which listening found somebody.
var errTaken = errors.New("it is taken by another program")

// bindable returns why host:port can't be bound, or nil.
func bindable(host string, port int) error {
	l, err := net.Listen("tcp", hostPort(host, port))
	if err != nil {
		return err
	}
	return l.Close()
}

// freePort returns a port of host that is free now.
func freePort(host string) (int, error) {
	l, err := net.Listen("tcp", hostPort(host, 0))
	if err != nil {
		return 0, fmt.Errorf("no free port on %s: %w", host, err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// freePorts returns n different free ports of loopback.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", hostPort(DefaultHost, 0))
		if err != nil {
			return nil, fmt.Errorf("no free port on %s: %w", DefaultHost, err)
		}
		// Held until all are chosen, lest one is given out twice.
		defer func() { _ = l.Close() }()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}
