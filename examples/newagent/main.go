// Command newagent writes the packages of a new agent: the agent, its contract,
// its tests, and programs that run it and call it. README.md has the steps.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// troupe is the module that agents are made with; its own folders need no more
// requirements.
const troupe = "github.com/seed-ab6af24b/troupe"

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without the process around it.
func run(args []string, stdout, stderr io.Writer) int {
	code := exitUsage // until the arguments are read
	var dir, module string
	cmd := &cobra.Command{
		Use:   "newagent NAME",
		Short: "Write the packages of a new agent",
		Example: "  newagent greeter\n" +
			"  newagent greeter --dir ../elsewhere --module example.com/elsewhere",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("want one name, got %d: newagent greeter", len(args))
			}
			return checkName(args[0])
		},
		RunE: func(_ *cobra.Command, args []string) error {
			code = exitFailed
			imports, files, err := scaffold(args[0], dir, module)
			if err == nil {
				explain(stdout, args[0], dir, imports, files)
			}
			return err
		},
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "the folder to write into")
	cmd.Flags().StringVar(&module, "module", "", "import path of that folder, for one that is in no module yet (default: by its go.mod)")
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	if err := cmd.Execute(); err != nil {
		fmt.Fprintln(stderr, "newagent:", err)
		return code
	}
	return exitDone
}

// clone is where Troupe's own sources are, if newagent runs there.
func clone() string {
	if dir, err := filepath.Abs("."); err == nil {
		if root, module, err := findModule(dir); err == nil && module == troupe {
			return root
		}
	}
	return "FOLDER_OF_A_CLONE"
}

// explain says what was written and what comes next.
func explain(w io.Writer, name, dir, imports string, files []string) {
	fmt.Fprintln(w, "Written:")
	for _, file := range files {
		fmt.Fprintln(w, "  "+filepath.Join(dir, filepath.FromSlash(file)))
	}
	fmt.Fprintln(w, "Next:")
	next := tabwriter.NewWriter(w, 0, 0, 4, ' ', 0)
	if dir != "." {
		fmt.Fprintf(next, "  cd %s\n", dir)
	}
	if !strings.HasPrefix(imports, troupe) {
		fmt.Fprintf(next, "  go mod edit -replace %s=%s\t# until your module proxy has it\n", troupe, clone())
		fmt.Fprintf(next, "  go mod tidy\t# adds Troupe and what it needs to go.mod\n")
	}
	fmt.Fprintf(next, "  go test ./%s/...\n", name)
	fmt.Fprintf(next, "  go run ./cmd/%s-worker\t# with a Temporal server at localhost:7233\n", name)
	fmt.Fprintf(next, "  go run ./cmd/%s-start hello\t# in another terminal\n", name)
	_ = next.Flush() // as the other lines
	fmt.Fprintf(w, "Then make it yours, beginning with %s/api.\n", name)
}
