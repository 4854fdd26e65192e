package registry

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"google.golang.org/grpc/resolver"
)

// checkAddress refuses an address that cannot lead to a Temporal server, which
// gRPC would try for ever: a URL, or one without a port, where gRPC takes 443.
// Targets of gRPC's own kinds, such as dns:///host:port or unix:path, pass.
func checkAddress(address string) error {
	wrong := func(what string) error {
		return fmt.Errorf("the server's address is %q, %s: want host:port, such as localhost:7233 (TEMPORAL_ADDRESS, temporal.toml, or client.Options.HostPort)", address, what)
	}
	scheme, rest, found := strings.Cut(address, ":")
	switch {
	case found && resolver.Get(scheme) != nil:
		return nil
	case strings.HasPrefix(rest, "//"):
		return wrong("a URL")
	case strings.ContainsAny(address, " \t\r\n"):
		return wrong("which holds white space")
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return wrong("which has no port")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return wrong("whose port is no number from 1 to 65535")
	}
	return nil
}
