package devserver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
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

// Free ports come from a range from which no system takes the ports of outgoing connections, as it would if it were
// asked for port 0: the Temporal server binds a port a while after it was chosen.
const (
	firstFreePort = 20000
	freePortCount = 10000
)

// nextFreePort counts through the range from a random start, so that servers that start at the same time, in this
// process or another, do not choose the same ports.
var nextFreePort atomic.Uint32

func init() { nextFreePort.Store(rand.Uint32N(freePortCount)) }

// freePort returns a port of host that is free now.
func freePort(host string) (int, error) {
	if err := bindable(host, 0); err != nil { // host is not an address of this machine
		return 0, fmt.Errorf("no free port on %s: %w", host, err)
	}
	for range freePortCount {
		port := firstFreePort + int(nextFreePort.Add(1)%freePortCount)
		if bindable(host, port) == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port on %s from %d to %d", host, firstFreePort, firstFreePort+freePortCount-1)
}
