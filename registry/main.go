package registry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Main is the main function of a program that runs agents and nothing else:
//
//	func main() {
//		os.Exit(registry.Main(registry.Options{}, func(reg *registry.Registry) error {
//			return errors.Join(
//				reg.Register(scgpt.New(scgpt.Options{Models: "models"}), registry.Process()),
//				reg.Register(greeter.New("Hello")))
//		}))
//	}
//
// It runs what register registers until SIGINT or SIGTERM, then stops it as
// described in the package comment; a second signal cuts that short
// ([Registry.Cut]). Errors go to standard error. It returns the exit code: 0, or
// 1 after an error.
//
// A process of an agent runs the same main function, in which register is called
// likewise; see [IsChild].
func Main(o Options, register func(*Registry) error) (code int) {
	reg := New(o)
	err := register(reg)
	if err == nil {
		err = reg.RunUntilSignal(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// errSignal is why the context of RunUntilSignal ended.
var errSignal = errors.New("a signal asked the program to stop")

// RunUntilSignal is Run until SIGINT, SIGTERM or the end of ctx; a signal that
// comes after that cuts the stop short.
func (r *Registry) RunUntilSignal(ctx context.Context) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	running, stop := context.WithCancelCause(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(running) }()
	for {
		select {
		case <-signals:
			if running.Err() != nil {
				r.Cut()
			}
			stop(errSignal)
		case err := <-ended:
			stop(nil)
			return err
		}
	}
}
