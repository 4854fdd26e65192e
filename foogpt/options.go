package foogpt

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Options of the agent. The zero value names clusters offline, from the table
// of markers.
type Options struct {
	// Model is the language model to ask, as its server calls it. Empty
	// means none: the table of markers decides.
	Model string
	// BaseURL is where the server's OpenAI-compatible API begins, without
	// /chat/completions. Empty means https://api.openai.com/v1.
	BaseURL string
	// APIKey goes to the server of BaseURL and nowhere else. A model needs
	// one; a server that asks for none takes any text.
	APIKey string
	// DefaultTemperature leaves the temperature to the server, where
	// otherwise 0 is asked for: models that reason refuse to be told one.
	DefaultTemperature bool
	// Timeout bounds what one activity asks of the model, all its requests
	// together. 0 means 50 s: less than the minute that the definition
	// gives to an attempt, so that the attempt's error says what it was.
	Timeout time.Duration
	// ActivitiesPerSecond bounds how many activities start in a second on
	// all workers of the task queue together, and so, but for repeated
	// requests after unusable answers, the requests. 0 means no bound.
	ActivitiesPerSecond float64
}

const (
	defaultBaseURL = "https://api.openai.com/v1"
	defaultTimeout = 50 * time.Second
)

// OptionsFromEnv returns the options that the environment asks for:
//
//	FOOGPT_MODEL                        Model
//	FOOGPT_BASE_URL, OPENAI_BASE_URL    BaseURL: the first that is set
//	FOOGPT_API_KEY, OPENAI_API_KEY      APIKey: the first that is set
//	FOOGPT_DEFAULT_TEMPERATURE          DefaultTemperature: true or false
//
// The variables OPENAI_* count only beside FOOGPT_MODEL: a key that is there
// for another program sends nothing anywhere. What Start would refuse is an
// error here already.
func OptionsFromEnv() (Options, error) {
	o := Options{Model: env("FOOGPT_MODEL"), BaseURL: env("FOOGPT_BASE_URL"), APIKey: env("FOOGPT_API_KEY")}
	if o.Model != "" {
		o.BaseURL = cmp.Or(o.BaseURL, env("OPENAI_BASE_URL"))
		o.APIKey = cmp.Or(o.APIKey, env("OPENAI_API_KEY"))
	}
	if text := env("FOOGPT_DEFAULT_TEMPERATURE"); text != "" {
		var err error
		if o.DefaultTemperature, err = strconv.ParseBool(text); err != nil {
			return Options{}, fmt.Errorf("FOOGPT_DEFAULT_TEMPERATURE = %q: want true or false", text)
		}
	}
	if err := o.check(); err != nil {
		return Options{}, err
	}
	return o, nil
}

// env leaves out the line end that keys from files often have.
func env(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// check reports what is wrong with the options. It never quotes the key, nor a
// URL, which may hold a password.
func (o Options) check() error {
	switch {
	case o.Model == "" && o.APIKey == "" && o.BaseURL == "":
		return nil
	case o.Model == "":
		return errors.New("there is a key or a base URL but no model: set FOOGPT_MODEL (Options.Model), or none of them to work offline")
	case o.APIKey == "":
		return errors.New("there is a model but no key: set FOOGPT_API_KEY (Options.APIKey); a server that asks for none takes any text")
	case o.Timeout < 0:
		return fmt.Errorf("the timeout is %v: want more than 0, or 0 for %v", o.Timeout, defaultTimeout)
	}
	u, err := url.Parse(cmp.Or(o.BaseURL, defaultBaseURL))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("the base URL is not usable: want http or https, host and path alone, as in " + defaultBaseURL)
	}
	return nil
}
