package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/agent/devserver"
)

func (a *app) serverCommand() *cobra.Command {
	var opts devserver.Options
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Run the embedded Temporal server until a signal",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.namespace != "" {
				opts.Namespaces = append(opts.Namespaces, a.namespace)
			}
			return a.server(cmd.Context(), opts, cmd.Flags().Changed)
		},
	}
	cmd.Flags().IntVar(&opts.Port, "port", devserver.DefaultPort, "gRPC port")
	cmd.Flags().IntVar(&opts.UIPort, "ui-port", devserver.DefaultUIPort, "port of the web UI")
	cmd.Flags().StringVar(&opts.DBFile, "db", "", "SQLite file that holds everything (default: in memory)")
	return cmd
}

// server runs the server until ctx ends. named tells whether the user named a
// flag: a port that was asked for is not replaced by another one.
func (a *app) server(ctx context.Context, opts devserver.Options, named func(flag string) bool) error {
	if a.verbose {
		opts.Logger = a.logger()
	}
	srv, err := devserver.Start(ctx, opts)
	if err != nil {
		return err
	}
	if srv.Used() {
		return fmt.Errorf("a Temporal server is running at %s already", srv.HostPort())
	}
	for _, notice := range srv.Notices() {
		fmt.Fprintln(a.stderr, notice)
	}
	if named("port") && !strings.HasSuffix(srv.HostPort(), fmt.Sprintf(":%d", opts.Port)) {
		return errors.Join(fmt.Errorf("port %d is taken", opts.Port), srv.Stop())
	}
	if named("ui-port") && opts.UIPort > 0 && !strings.HasSuffix(srv.UIURL(), fmt.Sprintf(":%d", opts.UIPort)) {
		return errors.Join(fmt.Errorf("port %d of the web UI is taken", opts.UIPort), srv.Stop())
	}
	if a.json {
		a.printJSON(map[string]string{"address": srv.HostPort(), "ui": srv.UIURL()})
	} else {
		fmt.Fprintf(a.stdout, "Temporal server at %s, web UI at %s (Ctrl-C stops it)\n", srv.HostPort(), srv.UIURL())
	}
	<-ctx.Done()
	return srv.Stop()
}
