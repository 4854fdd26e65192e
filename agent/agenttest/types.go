package agenttest

import (
	"context"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/seed-ab6af24b/troupe/agent"
)

// checkTypes looks at the types of inputs and results, without calling any of
// the agent's functions but Validate.
func checkTypes(_ context.Context, newAgent func() agent.Agent) error {
	var errs []error
	a := newAgent()
	for _, b := range slices.Concat(a.Workflows(), a.Activities()) {
		in, out := b.Types()
		for what, t := range map[string]reflect.Type{"input": in, "result": out} {
			if err := checkEncoding(t); err != nil {
				errs = append(errs, fmt.Errorf("%s of %s: the type %v %w", what, b.Name(), t, err))
			}
		}
		for _, check := range []func(reflect.Type) error{checkValidate, checkDecoding} {
			if err := check(in); err != nil {
				errs = append(errs, fmt.Errorf("input of %s: the type %v: %w", b.Name(), in, err))
			}
		}
	}
	return errors.Join(errs...)
}

// checkEncoding makes a value in which everything is set, and looks whether it
// survives the journey.
func checkEncoding(t reflect.Type) error {
	if t.Kind() == reflect.Struct && t.NumField() > 0 && len(jsonFields(t)) == 0 && !ownJSON(t) {
		return errors.New("has no exported fields: nothing of it is sent")
	}
	v := reflect.New(t)
	fill(v.Elem(), full, 0)
	sent, err := json.Marshal(v.Elem().Interface())
	if err != nil {
		return fmt.Errorf("cannot be sent as JSON: %w", err)
	}
	back := reflect.New(t)
	if err := json.Unmarshal(sent, back.Interface()); err != nil {
		return fmt.Errorf("cannot be read from the JSON that it is sent as, %s: %w", sent, err)
	}
	again, err := json.Marshal(back.Elem().Interface())
	if err != nil {
		return fmt.Errorf("cannot be sent as JSON: %w", err)
	}
	if string(sent) != string(again) {
		return fmt.Errorf("is sent as %s, and what is read from that as %s", sent, again)
	}
	return nil
}

// checkDecoding reads JSON of every kind, which the type may refuse.
func checkDecoding(t reflect.Type) error {
	for _, data := range []string{"null", "7", "-0.5", `""`, `"text"`, "true", "[]", "[1, null]", "{}", `{"agenttest": {}}`} {
		v := reflect.New(t)
		err := guard(func() error {
			if json.Unmarshal([]byte(data), v.Interface()) == nil {
				if c, ok := v.Elem().Interface().(validator); ok && !isNil(v.Elem()) {
					_ = c.Validate()
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("reading and checking the request %s: %w", data, err)
		}
	}
	return nil
}

func isNil(v reflect.Value) bool { return v.Kind() == reflect.Pointer && v.IsNil() }

type validator interface{ Validate() error }

var validatorType = reflect.TypeFor[validator]()

// checkValidate calls the input's Validate with requests that leave things out,
// or hold nulls, as anybody may send them.
func checkValidate(t reflect.Type) error {
	if !t.Implements(validatorType) {
		if reflect.PointerTo(t).Implements(validatorType) {
			return errors.New("its Validate has a pointer receiver and is never called: give it a value receiver")
		}
		return nil
	}
	for _, how := range []filling{empty, holes, full} {
		v := reflect.New(t).Elem()
		fill(v, how, 0)
		if isNil(v) {
			continue // null is refused before
		}
		request, _ := json.Marshal(v.Interface())
		err := guard(func() error {
			_ = v.Interface().(validator).Validate()
			return nil
		})
		if err != nil {
			return fmt.Errorf("its Validate of the request %s: %w", request, err)
		}
	}
	return nil
}

// filling is how much is set in a value.
type filling int

const (
	empty filling = iota // the zero value, what {} says
	holes                // lists and maps with zero values in them, as [null] says
	full                 // everything
)

// fillDepth ends types that hold themselves.
const fillDepth = 5

func fill(v reflect.Value, how filling, depth int) {
	if how == empty || depth > fillDepth {
		return
	}
	if ownJSON(v.Type()) {
		return // it has its own idea of what it may hold
	}
	next := func(v reflect.Value) {
		if how == full {
			fill(v, how, depth+1)
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if how == full {
			v.Set(reflect.New(v.Type().Elem()))
			next(v.Elem())
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		next(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		next(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				fill(f, how, depth+1)
			}
		}
	case reflect.Chan:
		// What JSON can't carry: a value that is not nil makes it tell.
		v.Set(reflect.MakeChan(reflect.ChanOf(reflect.BothDir, v.Type().Elem()), 0).Convert(v.Type()))
	case reflect.Func:
		v.Set(reflect.MakeFunc(v.Type(), func([]reflect.Value) []reflect.Value { return nil }))
	}
}

// jsonFields returns the names of the fields that encoding/json knows.
func jsonFields(t reflect.Type) (names []string) {
	for _, f := range reflect.VisibleFields(t) {
		if f.IsExported() && f.Tag.Get("json") != "-" {
			names = append(names, f.Name)
		}
	}
	return names
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// ownJSON reports whether values of the type are read from JSON by a method.
func ownJSON(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(jsonUnmarshaler) || p.Implements(textUnmarshaler) ||
		t.Implements(jsonUnmarshaler) || t.Implements(textUnmarshaler)
}
