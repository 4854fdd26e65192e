package agenttest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
)

// Replay runs the workflow code of each agent against the agent's recorded
// histories: all files *.json in the folder <dir>/<agent's name> and below it,
// each as a subtest of its name. A history that the code would go on with in
// another way fails its subtest, and so does a file that is no history of one
// of the agent's workflows. An agent without any history fails the test.
//
// Replaying compares what the workflow asks for (which activity, timer, child)
// and in which order; it compares neither inputs nor results.
//
// The agents are not started: replaying runs no activity.
func Replay(t *testing.T, dir string, agents ...agent.Agent) {
	t.Helper()
	for _, a := range agents {
		files, err := histories(dir, a)
		if err != nil {
			t.Error(err)
		}
		for _, file := range files {
			t.Run(filepath.ToSlash(file), func(t *testing.T) {
				if err := replay(filepath.Join(dir, file), a); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// histories returns the agent's files, relative to dir.
func histories(dir string, a agent.Agent) (files []string, err error) {
	if err := agent.Validate(a); err != nil {
		return nil, err
	}
	root := filepath.Join(dir, a.Name())
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		file, err := filepath.Rel(dir, path)
		files = append(files, file)
		return err
	})
	if err == nil && len(files) == 0 {
		err = errors.New("no file *.json")
	}
	if err != nil {
		return nil, fmt.Errorf("histories of the agent %q in %s: %w", a.Name(), root, err)
	}
	return files, nil
}

// replay runs the agent's workflow against one history. Its errors name the
// file.
func replay(path string, a agent.Agent) error {
	history, err := readHistory(path)
	if err != nil {
		return err
	}
	started := history.Events[0].GetWorkflowExecutionStartedEventAttributes()
	if started == nil {
		return fmt.Errorf("%s: events[0] is a %v, want the start of a workflow", path, history.Events[0].GetEventType())
	}
	name := started.GetWorkflowType().GetName()
	var names []string
	for _, b := range a.Workflows() {
		names = append(names, b.Name())
	}
	if !slices.Contains(names, name) {
		return fmt.Errorf("%s: it is the history of a %q, which is no workflow of the agent %q; those are %s",
			path, name, a.Name(), strings.Join(names, ", "))
	}
	replayer := worker.NewWorkflowReplayer()
	agent.RegisterWorkflows(replayer, a)
	// A workflow may name its children after itself.
	options := worker.ReplayWorkflowHistoryOptions{OriginalExecution: workflow.Execution{
		ID: started.GetWorkflowId(), RunID: started.GetOriginalExecutionRunId(),
	}}
	if err := guard(func() error { return replayer.ReplayWorkflowHistoryWithOptions(silent, history, options) }); err != nil {
		return fmt.Errorf("%s: %s no longer does what the history says: %w", path, name, err)
	}
	return nil
}

func readHistory(path string) (_ *historypb.History, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	history, err := client.HistoryFromJSON(f, client.HistoryJSONOptions{})
	if err != nil {
		return nil, fmt.Errorf("%s: not a workflow's history as JSON: %w", path, err)
	}
	if len(history.GetEvents()) == 0 {
		return nil, fmt.Errorf("%s: the history has no events", path)
	}
	return history, nil
}
