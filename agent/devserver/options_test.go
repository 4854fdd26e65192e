package devserver

import (
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
)

func TestOptionsDefaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		in           Options
		port, uiPort int
		host, dial   string
	}{
		"zero":          {Options{}, 7233, 8233, "127.0.0.1", "127.0.0.1"},
		"localhost":     {Options{Host: "localhost"}, 7233, 8233, "127.0.0.1", "127.0.0.1"},
		"any port":      {Options{Port: AnyPort}, AnyPort, 0, "127.0.0.1", "127.0.0.1"},
		"no UI":         {Options{Port: 1, UIPort: NoUI}, 1, NoUI, "127.0.0.1", "127.0.0.1"},
		"any port, UI":  {Options{Port: AnyPort, UIPort: 8080}, AnyPort, 8080, "127.0.0.1", "127.0.0.1"},
		"every address": {Options{Host: "0.0.0.0"}, 7233, 8233, "0.0.0.0", "127.0.0.1"},
		"IPv6":          {Options{Host: "::1"}, 7233, 8233, "::1", "::1"},
		"every IPv6":    {Options{Host: "::"}, 7233, 8233, "::", "::1"},
		"address":       {Options{Host: "10.1.2.3"}, 7233, 8233, "10.1.2.3", "10.1.2.3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := test.in.withDefaults()
			require.NoError(t, err)
			require.Equal(t, test.port, o.Port)
			require.Equal(t, test.uiPort, o.UIPort)
			require.Equal(t, test.host, o.Host)
			require.Equal(t, test.dial, o.dialHost())
			require.Equal(t, []string{"default"}, o.Namespaces)
			require.Equal(t, 1, o.Partitions)
			require.NotNil(t, o.Logger)
		})
	}

	names := []string{"lab", "default", "lab"}
	o, err := Options{Namespaces: names}.withDefaults()
	require.NoError(t, err)
	require.Equal(t, []string{"default", "lab"}, o.Namespaces)
	require.Equal(t, []string{"lab", "default", "lab"}, names)
}

func TestOptionsRefused(t *testing.T) {
	t.Parallel()
	for message, o := range map[string]Options{
		`devserver: Options.Host is "example.org", but must be an IP address or localhost`:                                         {Host: "example.org"},
		"devserver: Options.Port is -2, but must be 1 to 65535, 0 (7233) or AnyPort (-1)":                                          {Port: -2},
		"devserver: Options.UIPort is 65536, but must be 1 to 65535, 0 (8233) or NoUI (-1)":                                        {UIPort: 65536},
		"devserver: Options.Partitions is -1, but must be 1 to 64, or 0 (1)":                                                       {Partitions: -1},
		"devserver: Options.Partitions is 65, but must be 1 to 64, or 0 (1)":                                                       {Partitions: 65},
		"devserver: Options.Port and Options.UIPort are both 8233":                                                                 {Port: 8233},
		`devserver: Options.Namespaces holds " lab", but a name is neither empty nor begins or ends with a space`:                  {Namespaces: []string{" lab"}},
		`devserver: Options.SearchAttributes["Tissue"] is 99, but must be a type such as enums.INDEXED_VALUE_TYPE_KEYWORD`:         {SearchAttributes: kinds("Tissue", 99)},
		`devserver: Options.SearchAttributes["Donor"] is Unspecified, but must be a type such as enums.INDEXED_VALUE_TYPE_KEYWORD`: {SearchAttributes: kinds("Donor", 0)},
		"devserver: Options.SearchAttributes holds an attribute without a name":                                                    {SearchAttributes: kinds("", 1)},
		"devserver: Options.SearchAttributes holds \"a`b\", but a name has no backquote":                                           {SearchAttributes: kinds("a`b", 1)},
	} {
		_, err := Start(t.Context(), o)
		require.EqualError(t, err, message)
	}
}

func kinds(name string, kind enumspb.IndexedValueType) map[string]enumspb.IndexedValueType {
	return map[string]enumspb.IndexedValueType{name: kind}
}
