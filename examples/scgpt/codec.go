package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/agent/codec"
)

func (a *app) codecCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "codec",
		Short: "Encrypted payloads: a new key, and a server that decrypts for the web UI",
		Long: "Encrypted payloads: a new key, and a server that decrypts for the web UI.\n\n" +
			"With " + codec.KeysVariable + " set to a file of keys, workers and clients encrypt what workflows and activities take\n" +
			"and return; with " + codec.CompressionVariable + "=true they compress it. All of them need the same keys.",
		Args: noArgs,
		RunE: needsSubcommand,
	}
	key := &cobra.Command{
		Use:   "key ID",
		Short: "Print a line for a file of keys: a new random key of that id",
		Args:  oneArg("the key's id"),
		RunE: func(_ *cobra.Command, args []string) error {
			k, err := codec.NewKey(args[0])
			if err != nil {
				return usagef("%w", err)
			}
			fmt.Fprintln(a.stdout, k.Line())
			return nil
		},
	}
	var listen string
	var origins []string
	server := &cobra.Command{
		Use:   "server",
		Short: "Decrypt for the web UI until a signal: enter its address in the UI's settings, as codec server",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.codecServer(cmd.Context(), listen, origins) },
	}
	server.Flags().StringVar(&listen, "listen", "127.0.0.1:8234", "host and port; whoever reaches them may decrypt")
	server.Flags().StringSliceVar(&origins, "origins", []string{"http://localhost:8233", "http://127.0.0.1:8233"}, "web UIs that may ask")
	cmd.AddCommand(key, server)
	return cmd
}

func (a *app) codecServer(ctx context.Context, listen string, origins []string) error {
	codecs, err := codec.FromEnvironment()
	if err != nil {
		return err
	}
	if len(codecs) == 0 {
		return usagef("%s is not set: it names the file of keys (scgpt codec key ID prints a line for one)", codec.KeysVariable)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler:           codec.Handler(codec.ServerOptions{Origins: origins}, codecs...),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		stopped <- srv.Shutdown(within)
	})
	defer stop()
	if a.json {
		a.printJSON(map[string]string{"address": "http://" + l.Addr().String()})
	} else {
		fmt.Fprintf(a.stdout, "codec server at http://%s for %v (Ctrl-C stops it)\n", l.Addr(), origins)
	}
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
