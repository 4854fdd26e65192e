package devserver

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

func TestUI(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Namespaces: []string{"lab"}})
	c := dial(t, s.HostPort(), "lab")
	startWorker(t, c)
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "cells/a b?", TaskQueue: queue}, hello, "Ada")
	require.NoError(t, err)
	require.NoError(t, run.Get(t.Context(), nil))

	page := get(t, s.WorkflowURL("lab", run.GetID(), run.GetRunID()))
	require.Contains(t, page, "<!doctype html>")
	script := regexp.MustCompile(`/_app/immutable/entry/start\.[^"]+\.js`).FindString(page)
	require.NotEmpty(t, script)
	require.NotEmpty(t, get(t, s.UIURL()+script))
	require.Contains(t, get(t, s.UIURL()+"/api/v1/settings"), `"DisableNewsFetch":true`)

	// What the page asks for.
	require.Contains(t, get(t, s.UIURL()+"/api/v1/namespaces/lab/workflows/cells%2Fa%20b%3F"), "WORKFLOW_EXECUTION_STATUS_COMPLETED")
	require.Contains(t, get(t, s.UIURL()+"/api/v1/namespaces/lab/workflows/cells%2Fa%20b%3F/run/"+run.GetRunID()+"/history.json"), "WorkflowExecutionCompletedEventAttributes")
}

// Other web sites must not command the server through its user's browser.
func TestUIRefusesOtherSites(t *testing.T) {
	t.Parallel()
	s := start(t, Options{})
	post := func(site, token string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.UIURL()+"/api/v1/namespaces", strings.NewReader(`{"namespace":"new"}`))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Sec-Fetch-Site", site)
		if token != "" {
			req.Header.Set("X-Csrf-Token", token)
			req.AddCookie(&http.Cookie{Name: "_csrf", Value: token})
		}
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	require.Equal(t, http.StatusForbidden, post("cross-site", ""))
	require.NotEqual(t, http.StatusForbidden, post("same-origin", "0123456789abcdef0123456789abcdef"))
}

func TestWorkflowURL(t *testing.T) {
	t.Parallel()
	s := &Server{uiURL: "http://127.0.0.1:8233"}
	for name, test := range map[string]struct{ namespace, id, run, want string }{
		"latest run": {"default", "w", "", "http://127.0.0.1:8233/namespaces/default/workflows/w"},
		"run":        {"default", "w", "r", "http://127.0.0.1:8233/namespaces/default/workflows/w/r/history"},
		"escaped":    {"a/b", "pbmc/1 ?#%", "r", "http://127.0.0.1:8233/namespaces/a%2Fb/workflows/pbmc%2F1%20%3F%23%25/r/history"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, s.WorkflowURL(test.namespace, test.id, test.run))
		})
	}
}
