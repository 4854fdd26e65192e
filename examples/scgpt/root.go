package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/seed-ab6af24b/troupe/agent/codec"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// app holds what all commands share.
type app struct {
	stdout, stderr io.Writer
	// args is the command line.
	args []string
	// printed is why a result could not be printed.
	printed error

	// Flags of all commands.
	json      bool
	verbose   bool
	address   string
	namespace string
}

// run runs the program and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{args: args, stdout: stdout, stderr: stderr}
	cmd := a.rootCommand()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	if err == nil || errors.Is(err, errDone) {
		err = a.printed
	}
	if err == nil {
		return 0
	}
	var child *childError
	if errors.As(err, &child) {
		return child.code
	}
	a.report(err)
	var usage *usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

func (a *app) rootCommand() *cobra.Command {
	demo := a.runCommand()
	root := &cobra.Command{
		Use:           "scgpt",
		Short:         "Annotate single-cell data with scGPT, as durable workflows",
		Long:          "Annotate single-cell data with scGPT, as durable workflows.\n\nWithout a command: " + demo.Long,
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          demo.RunE,
	}
	root.Flags().AddFlagSet(demo.Flags())
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print one JSON object on stdout, nothing else there")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "log more on stderr")
	root.PersistentFlags().StringVar(&a.address, "address", "", "Temporal's host and port (default: TEMPORAL_ADDRESS, temporal.toml, else localhost:7233)")
	root.PersistentFlags().StringVar(&a.namespace, "namespace", "", "Temporal namespace (default: TEMPORAL_NAMESPACE, temporal.toml, else default)")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.PersistentPreRunE = a.elsewhere
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		demo, a.serverCommand(), a.workerCommand(), a.startCommand(),
		a.statusCommand(), a.resultCommand(), a.cancelCommand(), a.terminateCommand(), a.listCommand(),
		a.embedCommand(), a.annotateCommand(), a.integrateCommand(), a.genesCommand(),
		a.referenceCommand(), a.dataCommand(), a.modelCommand(), a.codecCommand(),
	)
	return root
}

// usageError is a wrong command line: exit code 2.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// oneOf makes sure that a flag has one of its values.
func oneOf(flag, value string, values ...string) error {
	if !slices.Contains(values, value) {
		return usagef("%s is %q: want %s", flag, value, strings.Join(values, ", "))
	}
	return nil
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unknown command or argument %q (see %s --help)", args[0], cmd.CommandPath())
	}
	return nil
}

func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("%s takes exactly one argument, %s", cmd.CommandPath(), what)
		}
		return nil
	}
}

// logger writes to stderr: warnings, or everything with --verbose.
func (a *app) logger() *slog.Logger {
	level := slog.LevelWarn
	if a.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level}))
}

// connect returns a client; close it after use.
func (a *app) connect(ctx context.Context) (*api.Client, error) {
	return a.connectTo(ctx, a.address)
}

func (a *app) connectTo(ctx context.Context, address string) (*api.Client, error) {
	codecs, err := codec.FromEnvironment()
	if err != nil {
		return nil, err
	}
	return api.Connect(ctx, api.TemporalConfig{
		Address: address, Namespace: a.namespace,
		ClientOptions: func(o *client.Options) { codec.Apply(o, codecs...) },
	})
}
