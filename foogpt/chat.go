package foogpt

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"go.temporal.io/sdk/activity"

	"github.com/seed-ab6af24b/troupe/foogpt/api"
	"github.com/seed-ab6af24b/troupe/retry"
)

const (
	// maxAsks is how often one activity asks, the first time included, until
	// the answer is usable.
	maxAsks = 3
	// maxResponse bounds the bytes of a response: 1 MiB, far more than an
	// answer has.
	maxResponse = 1 << 20
)

// chat names clusters by asking a language model. It is safe for concurrent
// use.
type chat struct {
	options     Options
	http        *http.Client
	completions openai.ChatCompletionService
}

// newChat returns a chat with options that are checked.
func newChat(o Options) *chat {
	o.BaseURL = cmp.Or(o.BaseURL, defaultBaseURL)
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	c := &chat{options: o, http: &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment},
		// The key and the genes are for this server alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	// Unlike openai.NewClient, the service by itself reads no environment.
	c.completions = openai.NewChatCompletionService(
		option.WithBaseURL(o.BaseURL),
		option.WithAPIKey(o.APIKey),
		option.WithHTTPClient(c.http),
		option.WithMaxRetries(0), // Temporal retries
		option.WithMiddleware(checkResponse),
	)
	return c
}

func (c *chat) close() { c.http.CloseIdleConnections() }

// checkResponse sits below the SDK, which reads bodies of any size and tells
// no status where an error's body is not JSON.
func checkResponse(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	res, err := next(req)
	if err != nil {
		return nil, err
	}
	if err := retry.HTTPError(res); err != nil {
		_ = res.Body.Close()
		return nil, err
	}
	res.Body = http.MaxBytesReader(nil, res.Body, maxResponse)
	return res, nil
}

// name names the clusters of a request. Where an answer can't be used, it asks
// again and says why, a few times; then it gives up for good, for a model that
// does not understand the task will not at Temporal's next attempt.
func (c *chat) name(ctx context.Context, req api.NameClustersRequest) (api.NameClustersResponse, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.options.Timeout, fmt.Errorf("no usable answer within %v", c.options.Timeout))
	defer cancel()
	mistake := ""
	for ask := 1; ; ask++ {
		resp, err := c.ask(ctx, req, mistake)
		if err == nil {
			return resp, nil
		}
		err = fmt.Errorf("model %s at %s: %w", c.options.Model, c.options.BaseURL, err)
		var unusable *unusableError
		if !errors.As(err, &unusable) {
			return resp, err
		}
		if ask == maxAsks {
			return resp, retry.InvalidData.Errorf("%w (asked %d times)", err, ask)
		}
		activity.GetLogger(ctx).Warn("asking the model again", "reason", err)
		mistake = unusable.Error()
	}
}

// ask makes one request and reads the answer.
func (c *chat) ask(ctx context.Context, req api.NameClustersRequest, mistake string) (api.NameClustersResponse, error) {
	var none api.NameClustersResponse
	params := openai.ChatCompletionNewParams{
		Model:          c.options.Model,
		Messages:       prompt(req, mistake),
		ResponseFormat: answerFormat(),
	}
	if !c.options.DefaultTemperature {
		params.Temperature = openai.Float(0)
	}
	// As bytes, the body does not depend on the response's Content-Type.
	var body []byte
	if _, err := c.completions.New(ctx, params, option.WithResponseBodyInto(&body)); err != nil {
		return none, requestError(ctx, err)
	}
	var completion openai.ChatCompletion
	err := json.Unmarshal(body, &completion)
	if err == nil && len(completion.Choices) == 0 {
		err = errors.New("it has no choices")
	}
	if err != nil {
		return none, unusablef("the response is not a chat completion: %s: %s", cut(err.Error()), quote(c.withoutKey(string(body))))
	}
	// A proxy may show the key, and what comes is quoted: in errors, in names.
	completion.Model = c.withoutKey(completion.Model)
	choice := &completion.Choices[0]
	choice.Message.Content, choice.Message.Refusal = c.withoutKey(choice.Message.Content), c.withoutKey(choice.Message.Refusal)
	content, err := contentOf(*choice)
	if err != nil {
		return none, err
	}
	names, err := parseAnswer(content, req.Clusters)
	if err != nil {
		return none, err
	}
	for i := range names {
		names[i].Source = source(completion.Model, c.options.Model)
	}
	return api.NameClustersResponse{Method: api.MethodChat, Names: names}, nil
}

// minKey is the shortest key that is one: servers without keys take any text.
const minKey = 8

// withoutKey takes the key out of what a server wrote.
func (c *chat) withoutKey(text string) string {
	if len(c.options.APIKey) < minKey {
		return text
	}
	return strings.ReplaceAll(text, c.options.APIKey, "[removed]")
}

// requestError returns the error of a request that has no answer.
func requestError(ctx context.Context, err error) error {
	var (
		tooLarge *http.MaxBytesError
		inURL    *url.Error
	)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &tooLarge):
		return unusablef("the response has more than %d bytes", tooLarge.Limit)
	case errors.As(err, &inURL):
		return fmt.Errorf("no response: %w", inURL.Err) // the URL is said elsewhere
	default:
		return err
	}
}

// contentOf returns the text that the model answered.
func contentOf(choice openai.ChatCompletionChoice) (string, error) {
	switch {
	case choice.Message.Refusal != "":
		return "", unusablef("the model refuses: %s", quote(choice.Message.Refusal))
	case choice.FinishReason == "length" || choice.FinishReason == "content_filter":
		return "", unusablef("the answer was cut off, its finish_reason is %s", choice.FinishReason)
	}
	return choice.Message.Content, nil
}

// source returns what the server calls the model that answered, which says
// more than the name it was asked by, where that is a name at all.
func source(answered, asked string) string {
	if answered == "" || len(answered) > api.MaxNameBytes || !printable(answered) {
		return asked
	}
	return answered
}
