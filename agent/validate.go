package agent

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"
)

// maxNameLength bounds names of agents, queues, workflows and activities: what
// Temporal's server accepts by default for identifiers.
const maxNameLength = 1000

// Validate reports everything about an agent that would keep it from running:
// nil, an empty or illegal name or task queue, no workflow and no activity,
// a binding without a function or in the wrong list, two bindings of one name.
func Validate(a Agent) error {
	if isNil(a) {
		return errors.New("agent is nil")
	}
	name := a.Name()
	errs := []error{
		checkName(fmt.Sprintf("agent %q: name", name), name),
		checkName(fmt.Sprintf("agent %q: task queue", name), a.TaskQueue()),
	}
	workflows, activities := a.Workflows(), a.Activities()
	if len(workflows) == 0 && len(activities) == 0 {
		errs = append(errs, fmt.Errorf("agent %q has neither workflows nor activities", name))
	}
	errs = append(errs, checkBindings(name, kindWorkflow, workflows)...)
	errs = append(errs, checkBindings(name, kindActivity, activities)...)
	return errors.Join(errs...)
}

func checkBindings(agentName string, want kind, bindings []Binding) (errs []error) {
	seen := map[string]bool{}
	for i, b := range bindings {
		what := fmt.Sprintf("agent %q: %s %q", agentName, want, b.name)
		switch {
		case b.kind == "":
			errs = append(errs, fmt.Errorf("agent %q: %s %d is a zero Binding: make it with To", agentName, want, i))
			continue
		case b.kind != want:
			errs = append(errs, fmt.Errorf("%s: it is bound to a definition of kind %s and stands in the wrong list", what, b.kind))
		case b.function == nil:
			errs = append(errs, fmt.Errorf("%s is bound to no function", what))
		case seen[b.name]:
			errs = append(errs, fmt.Errorf("%s is bound twice", what))
		}
		seen[b.name] = true
		errs = append(errs, checkName(what+": name", b.name))
	}
	return errs
}

func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s is empty", what)
	case len(name) > maxNameLength:
		return fmt.Errorf("%s has %d bytes, more than %d", what, len(name), maxNameLength)
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("%s begins or ends with white space", what)
	case strings.HasPrefix(name, "__temporal"):
		return fmt.Errorf("%s begins with __temporal, which Temporal keeps for itself", what)
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%s holds characters that are not printable", what)
	}
	return nil
}

func isNil(a Agent) bool {
	if a == nil {
		return true
	}
	v := reflect.ValueOf(a)
	return v.Kind() == reflect.Pointer && v.IsNil()
}
