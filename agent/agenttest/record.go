package agenttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"
)

// Record writes the history of a workflow to path, for [Replay], in the format
// of `temporal workflow show --output json`. An empty runID means the latest
// run. Folders are made, an existing file is replaced; nothing partial is left
// behind.
//
// A history holds inputs, results and the identities of workers as they were:
// look it through before it is published.
func Record(ctx context.Context, c client.Client, workflowID, runID, path string) error {
	history := &historypb.History{}
	events := c.GetWorkflowHistory(ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return fmt.Errorf("history of the workflow %q: %w", workflowID, err)
		}
		history.Events = append(history.Events, e)
	}
	if len(history.Events) == 0 {
		return fmt.Errorf("history of the workflow %q has no events", workflowID)
	}
	data, err := protojson.Marshal(history)
	if err != nil {
		return fmt.Errorf("history of the workflow %q: %w", workflowID, err)
	}
	// protojson varies its white space on purpose; a file under version
	// control should not.
	var text bytes.Buffer
	if err := json.Indent(&text, data, "", " "); err != nil {
		return fmt.Errorf("history of the workflow %q: %w", workflowID, err)
	}
	text.WriteByte('\n')
	return writeFile(path, text.Bytes())
}

func writeFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".tmp*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	// CreateTemp lets nobody else read the file.
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
