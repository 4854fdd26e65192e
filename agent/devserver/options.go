package devserver

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/dynamicconfig"
)

const (
	// DefaultHost is the address that Start binds to: this machine only.
	DefaultHost = "127.0.0.1"
	// DefaultPort is the gRPC port that Temporal clients expect.
	DefaultPort = 7233
	// DefaultUIPort is the port on which Temporal's web UI is usually found.
	DefaultUIPort = 8233
	// DefaultNamespace is the namespace that always exists.
	DefaultNamespace = "default"

	// AnyPort as Options.Port takes any free port and never uses a server that runs already.
	AnyPort = -1
	// NoUI as Options.UIPort leaves the web UI out.
	NoUI = -1

	// MaxPartitions bounds Options.Partitions.
	MaxPartitions = 64
)

// Options say where a server listens and what it holds. The zero value is a server in memory on 127.0.0.1:7233
// with its UI on 8233, or the Temporal server that already listens there.
type Options struct {
	// Host is the IP address to bind to, or "localhost". The default is DefaultHost. There is no authentication:
	// whoever reaches another address than loopback may do everything.
	Host string

	// Port is the gRPC port. 0 means DefaultPort, AnyPort any free one. If a Temporal server already listens there,
	// it is used; if another program does, a free port is taken (see Server.Notices). AnyPort does neither.
	Port int

	// UIPort is the port of the web UI. 0 means DefaultUIPort, or any free port if Port is AnyPort; NoUI means no UI.
	// If the port is taken, a free one is used.
	UIPort int

	// DBFile is the SQLite file that holds everything; its folder must exist. The default "" keeps everything in memory.
	// One process at a time may use a file: another one gets an *InUseError.
	DBFile string

	// Namespaces exist when Start returns, DefaultNamespace always does. Those that exist already are left as they are.
	Namespaces []string

	// SearchAttributes, by name, exist in all of Namespaces when Start returns.
	SearchAttributes map[string]enumspb.IndexedValueType

	// Partitions is how many each task queue has. 0 means 1: with one host, partitions are a detour. A cluster has 4
	// unless told otherwise, so that a test of what depends on them sets 4; at most MaxPartitions.
	Partitions int

	// Logger receives what the server logs, which is much. The default discards it.
	Logger *slog.Logger

	// serverDefaults leaves the server's own timing in place: what the benchmarks compare with.
	serverDefaults bool
	// wrapConfig, if set, changes the dynamic configuration: how tests hold the server up at a point of their choice.
	wrapConfig func(dynamicconfig.Client) dynamicconfig.Client
}

// withDefaults returns a checked copy in which every field has its value.
func (o Options) withDefaults() (Options, error) {
	switch o.Host {
	case "", "localhost":
		o.Host = DefaultHost
	default:
		if net.ParseIP(o.Host) == nil {
			return o, fmt.Errorf("Options.Host is %q, but must be an IP address or localhost", o.Host)
		}
	}
	if o.Port < AnyPort || o.Port > 65535 {
		return o, fmt.Errorf("Options.Port is %d, but must be 1 to 65535, 0 (%d) or AnyPort (-1)", o.Port, DefaultPort)
	}
	if o.UIPort < NoUI || o.UIPort > 65535 {
		return o, fmt.Errorf("Options.UIPort is %d, but must be 1 to 65535, 0 (%d) or NoUI (-1)", o.UIPort, DefaultUIPort)
	}
	if o.UIPort == 0 && o.Port != AnyPort {
		o.UIPort = DefaultUIPort
	}
	if o.Port == 0 {
		o.Port = DefaultPort
	}
	if o.UIPort > 0 && o.UIPort == o.Port {
		return o, fmt.Errorf("Options.Port and Options.UIPort are both %d", o.Port)
	}

	if o.Partitions < 0 || o.Partitions > MaxPartitions {
		return o, fmt.Errorf("Options.Partitions is %d, but must be 1 to %d, or 0 (1)", o.Partitions, MaxPartitions)
	}
	if o.Partitions == 0 {
		o.Partitions = 1
	}

	names := []string{DefaultNamespace}
	for _, name := range o.Namespaces {
		if name == "" || strings.TrimSpace(name) != name {
			return o, fmt.Errorf("Options.Namespaces holds %q, but a name is neither empty nor begins or ends with a space", name)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	o.Namespaces = names

	for name, kind := range o.SearchAttributes {
		switch {
		case name == "":
			return o, errors.New("Options.SearchAttributes holds an attribute without a name")
		case strings.Contains(name, "`"):
			return o, fmt.Errorf("Options.SearchAttributes holds %q, but a name has no backquote", name)
		}
		if _, ok := enumspb.IndexedValueType_name[int32(kind)]; !ok || kind == enumspb.INDEXED_VALUE_TYPE_UNSPECIFIED {
			return o, fmt.Errorf("Options.SearchAttributes[%q] is %v, but must be a type such as enums.INDEXED_VALUE_TYPE_KEYWORD", name, kind)
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// dialHost is the address under which this machine reaches a server bound to Host.
func (o Options) dialHost() string {
	ip := net.ParseIP(o.Host)
	switch {
	case !ip.IsUnspecified():
		return o.Host
	case ip.To4() == nil:
		return net.IPv6loopback.String()
	default:
		return DefaultHost
	}
}
