package foogpt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/foogpt"
)

func TestOptionsFromEnv(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		want foogpt.Options
		err  string
	}{
		{"nothing", nil, foogpt.Options{}, ""},
		{"another program's key", map[string]string{"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://a"}, foogpt.Options{}, ""},
		{"that key, and a model", map[string]string{"OPENAI_API_KEY": "k\n", "OPENAI_BASE_URL": "http://a", "FOOGPT_MODEL": "m"},
			foogpt.Options{Model: "m", APIKey: "k", BaseURL: "http://a"}, ""},
		{"its own", map[string]string{"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://a",
			"FOOGPT_MODEL": "m", "FOOGPT_API_KEY": "f", "FOOGPT_BASE_URL": "http://b", "FOOGPT_DEFAULT_TEMPERATURE": "true"},
			foogpt.Options{Model: "m", APIKey: "f", BaseURL: "http://b", DefaultTemperature: true}, ""},
		{"neither true nor false", map[string]string{"FOOGPT_DEFAULT_TEMPERATURE": "0.5"},
			foogpt.Options{}, `FOOGPT_DEFAULT_TEMPERATURE = "0.5": want true or false`},
		{"what Start refuses", map[string]string{"FOOGPT_MODEL": "m"}, foogpt.Options{}, "there is a model but no key: " +
			"set FOOGPT_API_KEY (Options.APIKey); a server that asks for none takes any text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range []string{"OPENAI_API_KEY", "OPENAI_BASE_URL", "FOOGPT_MODEL", "FOOGPT_API_KEY", "FOOGPT_BASE_URL", "FOOGPT_DEFAULT_TEMPERATURE"} {
				t.Setenv(name, c.env[name])
			}
			got, err := foogpt.OptionsFromEnv()
			require.Equal(t, c.want, got)
			if c.err != "" {
				require.EqualError(t, err, c.err)
				return
			}
			require.NoError(t, err)
		})
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		o    foogpt.Options
		want string
	}{
		{"key without model", foogpt.Options{APIKey: key}, "but no model: set FOOGPT_MODEL"},
		{"URL without model", foogpt.Options{BaseURL: "http://a"}, "but no model: set FOOGPT_MODEL"},
		{"model without key", foogpt.Options{Model: "m"}, "but no key: set FOOGPT_API_KEY"},
		{"timeout", foogpt.Options{Model: "m", APIKey: key, Timeout: -1}, "the timeout is -1ns"},
		{"no URL", foogpt.Options{Model: "m", APIKey: key, BaseURL: "://"}, "the base URL is not usable"},
		{"no host", foogpt.Options{Model: "m", APIKey: key, BaseURL: "localhost:11434"}, "the base URL is not usable"},
		{"no scheme of the web", foogpt.Options{Model: "m", APIKey: key, BaseURL: "ftp://a"}, "the base URL is not usable"},
		{"password", foogpt.Options{Model: "m", APIKey: key, BaseURL: "http://me:" + key + "@a"}, "the base URL is not usable"},
		{"query", foogpt.Options{Model: "m", APIKey: key, BaseURL: "http://a/v1?key=" + key}, "the base URL is not usable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := foogpt.NewWith(c.o).Start(t.Context())
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), key)
		})
	}
}
