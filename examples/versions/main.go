// Command versions deploys two versions of an agent one beside the other, while
// workflows of the first are under way. README.md has the steps.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: versions COMMAND

  worker v1|v2     run the agent of a build until a signal
  current v1|v2    make a build the one that new workflows start on
  start            start a delivery and a subscription, and print their ids
  goon ID...       let workflows take their next step
  story ID...      show what workflows have done, and which build did it
  builds           show the builds and whether anything still needs them
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code: 0 done, 1 failed, 2 wrong usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	a := app{stdout: stdout}
	var err error
	switch command, rest := args[0], args[1:]; {
	case command == "worker" && len(rest) == 1:
		err = a.worker(ctx, rest[0])
	case command == "current" && len(rest) == 1:
		err = a.withClient(ctx, func(ctx context.Context) error { return a.current(ctx, rest[0]) })
	case command == "start" && len(rest) == 0:
		err = a.withClient(ctx, a.start)
	case command == "goon" && len(rest) > 0:
		err = a.withClient(ctx, func(ctx context.Context) error { return a.goOn(ctx, rest) })
	case command == "story" && len(rest) > 0:
		err = a.withClient(ctx, func(ctx context.Context) error { return a.stories(ctx, rest) })
	case command == "builds" && len(rest) == 0:
		err = a.withClient(ctx, a.builds)
	default:
		fmt.Fprint(stderr, usage)
		return 2
	}
	if err != nil {
		fmt.Fprintln(stderr, "versions:", err)
		return 1
	}
	return 0
}
