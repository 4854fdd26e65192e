// Command cpu times the parts of the library that bench/cpu/run.py compares
// with other programs. Each subcommand prints one line of JSON.
//
//	go build -o /tmp/cpu ./bench/cpu
//	/tmp/cpu embed --model DIR --data FILE.h5ad --cells 48 --precision bf16
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

// command parses its own flags and returns what is printed.
type command func(ctx context.Context, args []string) (any, error)

var commands = map[string]command{
	"embed": embed,
	"fixed": fixed,
	"knn":   knn,
	"read":  read,
}

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cpu:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 || commands[args[0]] == nil {
		return fmt.Errorf("want a subcommand: embed, fixed, knn, read")
	}
	res, err := commands[args[0]](ctx, args[1:])
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(res)
}

func newFlags(name string) *flag.FlagSet { return flag.NewFlagSet(name, flag.ContinueOnError) }
