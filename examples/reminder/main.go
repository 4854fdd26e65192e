// Command reminder runs the agent of package reminder and gives it reminders:
// durable timers, which outlive every process. README.md has the steps.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/retry"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand(slog.New(slog.NewTextHandler(stderr, nil)))
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	class, code := "UsageError", exitUsage
	if failed := new(failure); errors.As(err, &failed) {
		class, code = "Error", exitFailed
		if c, ok := retry.ClassOf(err); ok {
			class = string(c)
		}
	}
	message := strings.Join(strings.Fields(retry.Message(err)), " ") // one line
	fmt.Fprintf(stderr, "%s: %s\n", class, message)
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		_ = writeJSON(stdout, map[string]any{"error": map[string]string{"type": class, "message": message}})
	}
	return code
}

func rootCommand(log *slog.Logger) *cobra.Command {
	var to connection
	root := &cobra.Command{
		Use:           "reminder",
		Short:         "Append lines to a file when they are due, exactly once",
		SilenceErrors: true, // run prints them
		SilenceUsage:  true,
	}
	root.PersistentFlags().StringVar(&to.address, "address", "", "Temporal server, host:port (default: TEMPORAL_ADDRESS, temporal.toml, localhost:7233)")
	root.PersistentFlags().StringVar(&to.namespace, "namespace", "", "Temporal namespace (default: TEMPORAL_NAMESPACE, temporal.toml, default)")
	root.AddCommand(workerCommand(&to, log), startCommand(&to), statusCommand(&to))
	return root
}

// failure is an error of a command's work; any other is one of its usage.
type failure struct{ error }

func (f *failure) Unwrap() error { return f.error }

// work makes a function the work of a command.
func work(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := f(cmd, args); err != nil {
			return &failure{err}
		}
		return nil
	}
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
