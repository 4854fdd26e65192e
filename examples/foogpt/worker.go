package main

import (
	"context"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/foogpt"
	"github.com/seed-ab6af24b/troupe/registry"
)

func workerCommand(to *connection, log *slog.Logger) *cobra.Command {
	return &cobra.Command{
		Use:   "worker",
		Short: "Poll the task queue foogpt-tasks until a signal, then drain",
		Args:  cobra.NoArgs,
		RunE: work(func(ctx context.Context, _ io.Writer) error {
			options, err := foogpt.OptionsFromEnv()
			if err != nil {
				return err
			}
			reg := registry.New(registry.Options{ClientOptions: to.apply, Logger: log})
			if err := reg.Register(foogpt.NewWith(options)); err != nil {
				return err
			}
			return reg.Run(ctx)
		}),
	}
}
