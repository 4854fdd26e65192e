package agenttest

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
)

// checkMalformed sends requests that no agent may accept. They are refused
// before the agent's own functions are called, so the agent need not be
// started.
func checkMalformed(_ context.Context, newAgent func() agent.Agent) error {
	var errs []error
	a := newAgent()
	for _, b := range a.Activities() {
		in, _ := b.Types()
		for _, r := range append(malformed(in), unknownField(in)...) {
			if err := refused(runRaw(a, b, r.args, true)); err != nil {
				errs = append(errs, fmt.Errorf("activity %s, request %s: %w", b.Name(), r.what, err))
			}
		}
	}
	for _, b := range a.Workflows() {
		in, _ := b.Types()
		for _, r := range malformed(in) {
			if err := refused(runRaw(a, b, r.args, false)); err != nil {
				errs = append(errs, fmt.Errorf("workflow %s, request %s: %w", b.Name(), r.what, err))
			}
		}
	}
	return errors.Join(errs...)
}

// request is what a careless client might send.
type request struct {
	what string
	args []any
}

func payload(encoding, data string) request {
	p := &commonpb.Payload{Data: []byte(data)}
	p.Metadata = map[string][]byte{converter.MetadataEncoding: []byte(encoding)}
	return request{what: fmt.Sprintf("%s %q", encoding, data), args: []any{converter.NewRawValue(p)}}
}

// malformed returns requests that are malformed for the type.
func malformed(in reflect.Type) []request {
	requests := []request{
		payload(converter.MetadataEncodingJSON, ""),
		payload(converter.MetadataEncodingJSON, "{"),
		payload(converter.MetadataEncodingJSON, `{"":`),
		payload(converter.MetadataEncodingJSON, "\xff\xfe"),
		payload(converter.MetadataEncodingJSON, "request"),
		payload(converter.MetadataEncodingJSON, "null null"),
		payload("binary/agenttest", "request"),
	}
	for _, data := range otherTypes(in) {
		requests = append(requests, payload(converter.MetadataEncodingJSON, data))
	}
	if !optional(in) {
		requests = append(requests,
			request{what: "that is missing"},
			payload(converter.MetadataEncodingNil, ""),
			payload(converter.MetadataEncodingJSON, "null"),
		)
	}
	return requests
}

// unknownField returns a request with a field that the type does not have.
func unknownField(in reflect.Type) []request {
	for in.Kind() == reflect.Pointer && !ownJSON(in) {
		in = in.Elem()
	}
	if in.Kind() != reflect.Struct || ownJSON(in) {
		return nil
	}
	return []request{payload(converter.MetadataEncodingJSON, `{"agenttest_unknown_field": 1}`)}
}

// otherTypes returns JSON that is no value of the type. What a type with its
// own idea of JSON accepts, nobody else knows.
func otherTypes(in reflect.Type) []string {
	const (
		number = "7"
		text   = `"text"`
		list   = "[1, 2]"
		object = `{"agenttest": 1}`
	)
	if ownJSON(in) {
		return nil
	}
	switch in.Kind() {
	case reflect.Pointer:
		return otherTypes(in.Elem())
	case reflect.Struct, reflect.Map:
		return []string{number, text, list, "true"}
	case reflect.Slice:
		return []string{number, object, "true"} // text may be bytes in base64
	case reflect.Array:
		return []string{number, text, object, "true"}
	case reflect.String:
		return []string{number, list, object, "true"}
	case reflect.Bool:
		return []string{number, text, list, object}
	case reflect.Interface:
		return nil
	default:
		return []string{text, list, object, "true"}
	}
}

// optional reports whether a request of the type may be left out.
func optional(in reflect.Type) bool {
	return in == reflect.TypeFor[struct{}]() || in.Kind() == reflect.Interface
}

// runRaw runs an activity or a workflow as a worker would, and returns its
// error.
func runRaw(a agent.Agent, b agent.Binding, args []any, isActivity bool) error {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(silent)
	o := worker.Options{Interceptors: []interceptor.WorkerInterceptor{retry.Interceptor()}}
	if isActivity {
		env := suite.NewTestActivityEnvironment()
		env.SetWorkerOptions(o)
		agent.RegisterActivities(env, a)
		return guard(func() error {
			_, err := env.ExecuteActivity(b.Name(), args...)
			return err
		})
	}
	env := suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(o)
	agent.RegisterWorkflows(env, a)
	return guard(func() error {
		env.ExecuteWorkflow(b.Name(), args...)
		return env.GetWorkflowError()
	})
}

// refused checks the error of a malformed request.
func refused(err error) error {
	if err == nil {
		return errors.New("it was accepted, want an InvalidDataError")
	}
	var app *temporal.ApplicationError
	class, _ := retry.ClassOf(err)
	if !errors.As(err, &app) || class != retry.InvalidData {
		return fmt.Errorf("want an InvalidDataError, got: %w", err)
	}
	if !app.NonRetryable() {
		return fmt.Errorf("want an error that is final, got one that is retried: %w", err)
	}
	return nil
}
