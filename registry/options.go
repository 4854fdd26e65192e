package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
)

// The defaults of [Options].
const (
	DefaultStopTimeout    = 30 * time.Second
	DefaultCheckInterval  = 3 * time.Second
	DefaultBackOffInitial = 250 * time.Millisecond
	DefaultBackOffMax     = 15 * time.Second
)

// Options configure a registry. The zero value connects each agent by the
// environment and temporal.toml, as Temporal's own tools do.
type Options struct {
	// ClientOptions changes the options of each agent's client in place,
	// after the environment and temporal.toml. Identity (agent@host:pid) and
	// logger are set for the agent already. The worker's identity is that of
	// the client, with @host:pid if it lacks that, and #n; one of
	// worker.Options is taken as it is, and must be no other worker's.
	ClientOptions func(*client.Options)
	// Dial makes the client of the named agent, each time its worker is
	// built; the registry closes it. It should return soon after ctx ends.
	// ClientOptions and the environment are not looked at.
	Dial func(ctx context.Context, agent string) (client.Client, error)
	// Client is one that the program has already, for all agents. The
	// registry never closes it. At most one of Client and Dial may be set.
	Client client.Client

	// Logger takes what the registry and the workers have to say, with the
	// attribute "agent". The default is slog.Default().
	Logger *slog.Logger

	// Observer watches all agents, for metrics and tracing. The default
	// watches nothing.
	Observer Observer

	// StopTimeout bounds the stop of an agent as a whole. Activities may
	// finish until a fifth of it is left, at most 5 s; then their contexts
	// are cancelled. The default is DefaultStopTimeout; a negative one waits
	// until everything is done. An agent's worker.Options.WorkerStopTimeout
	// takes its place for that agent, and WithStopTimeout that of both.
	StopTimeout time.Duration

	// CheckInterval is how often a ready agent is checked: its pollers, as
	// the server sees them, and its health. The default is
	// DefaultCheckInterval; it may not be longer than 5 s, for else a lost
	// server would stay unnoticed for too long.
	CheckInterval time.Duration

	// BackOff paces new attempts to start an agent.
	BackOff BackOff
}

const maxCheckInterval = 5 * time.Second

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Observer == nil {
		o.Observer = observeNothing{}
	}
	if o.StopTimeout == 0 {
		o.StopTimeout = DefaultStopTimeout
	}
	if o.CheckInterval == 0 {
		o.CheckInterval = DefaultCheckInterval
	}
	if o.BackOff.Initial == 0 {
		o.BackOff.Initial = DefaultBackOffInitial
	}
	if o.BackOff.Max == 0 {
		o.BackOff.Max = max(DefaultBackOffMax, o.BackOff.Initial)
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.Client != nil && o.Dial != nil:
		return errors.New("registry.Options: Client and Dial are both set")
	case (o.Client != nil || o.Dial != nil) && o.ClientOptions != nil:
		return errors.New("registry.Options: ClientOptions has no effect on clients from Client or Dial")
	case o.CheckInterval < 0 || o.CheckInterval > maxCheckInterval:
		return fmt.Errorf("registry.Options: CheckInterval is %v, want more than 0 and at most %v", o.CheckInterval, maxCheckInterval)
	case o.BackOff.Initial < 0 || o.BackOff.Max < o.BackOff.Initial:
		return fmt.Errorf("registry.Options: BackOff is from %v to %v, want 0 < Initial ≤ Max", o.BackOff.Initial, o.BackOff.Max)
	}
	return nil
}

// AgentOption configures one agent of a registry.
type AgentOption func(*settings)

// settings are an agent's options.
type settings struct {
	client        client.Client
	clientOptions func(*client.Options)
	workerOptions func(*worker.Options)
	namespace     string
	stopTimeout   time.Duration
	processes     []ProcessOptions // none: in this process
}

// InProcess runs the agent's worker in this process. That is the default; see
// [Process].
func InProcess() AgentOption { return func(s *settings) { s.processes = nil } }

// WithClient runs the agent over a client that the program has already, which
// the registry never closes.
func WithClient(c client.Client) AgentOption {
	return func(s *settings) { s.client = c }
}

// WithClientOptions changes the options of the agent's client in place, after
// Options.ClientOptions.
func WithClientOptions(change func(*client.Options)) AgentOption {
	return func(s *settings) { s.clientOptions = change }
}

// WithNamespace runs the agent in a namespace of its own. For a client that
// the registry does not make itself it only says which namespace that client
// has, for Status, to tell task queues of one name apart, and to find a
// versioned worker among many on a queue of several partitions.
func WithNamespace(name string) AgentOption {
	return func(s *settings) { s.namespace = name }
}

// WithWorkerOptions changes the options of the agent's worker in place, after
// the registry's defaults and the agent's own ConfigureWorker. Interceptors
// that it sets run inside the registry's own.
func WithWorkerOptions(change func(*worker.Options)) AgentOption {
	return func(s *settings) { s.workerOptions = change }
}

// WithStopTimeout bounds the agent's stop; see Options.StopTimeout.
func WithStopTimeout(d time.Duration) AgentOption {
	return func(s *settings) { s.stopTimeout = d }
}
