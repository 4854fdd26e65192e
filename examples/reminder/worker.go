package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/examples/reminder/reminder"
	"github.com/seed-ab6af24b/troupe/registry"
)

func workerCommand(to *connection, log *slog.Logger) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Poll the task queue reminder-tasks until a signal, then drain",
		Args:  cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			reg := registry.New(registry.Options{ClientOptions: to.apply, Logger: log})
			if err := reg.Register(reminder.New(file)); err != nil {
				return err
			}
			return reg.Run(cmd.Context())
		}),
	}
	cmd.Flags().StringVar(&file, "file", "reminders.txt", "the file that the reminders are appended to")
	return cmd
}
