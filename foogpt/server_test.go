package foogpt_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/agent/agenttest"
	"github.com/seed-ab6af24b/troupe/foogpt"
)

const key = "sk-do-not-tell"

// server speaks the chat-completions protocol: it gives the replies one after
// the other, the last one for ever.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	requests []request
}

type request struct {
	method, path string
	header       http.Header
	body         string
}

func newServer(t *testing.T, replies ...http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a cut request has a body that tells so
		s.mu.Lock()
		s.requests = append(s.requests, request{r.Method, r.URL.Path, r.Header, string(body)})
		r.Body = io.NopCloser(bytes.NewReader(body))
		reply := replies[min(len(s.requests), len(replies))-1]
		s.mu.Unlock()
		reply(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) options() foogpt.Options {
	return foogpt.Options{Model: "test-model", BaseURL: s.URL + "/v1", APIKey: key}
}

func (s *server) all() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// environment runs an agent with the options as its worker would.
func environment(t *testing.T, o foogpt.Options) *agenttest.Environment {
	t.Helper()
	return agenttest.NewEnvironment(t, agenttest.Start(t, foogpt.NewWith(o)))
}

// reply is a response as it is.
func reply(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // the client may have hung up
	}
}

// failure is an error as OpenAI's API words it, quoting the key.
func failure(status int, message string, header ...string) http.HandlerFunc {
	body, _ := json.Marshal(map[string]any{"error": map[string]any{
		"message": message + " (" + key + ")", "type": "invalid_request_error", "param": nil, "code": nil}})
	return reply(status, string(body), header...)
}

// says is a response in which the model says text.
func says(text string) http.HandlerFunc {
	return completion(map[string]any{"role": "assistant", "content": text, "refusal": nil}, "stop")
}

func completion(message map[string]any, finish string) http.HandlerFunc {
	body, _ := json.Marshal(map[string]any{
		"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "test-model-2026-01-01",
		"choices": []any{map[string]any{"index": 0, "message": message, "logprobs": nil, "finish_reason": finish}},
		"usage":   map[string]any{"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
	})
	return reply(http.StatusOK, string(body))
}

// hang answers never.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// cutOff ends the connection within the response.
func cutOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, `{"id": "chatcmpl-1", `)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// decode reads JSON in a test.
func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &v))
	return v
}
