package process

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTail(t *testing.T) {
	const abort = "runtime/cgo: out of memory in thread_start\nSIGABRT: abort\n"
	cases := map[string]struct {
		write []string
		want  string
	}{
		"nothing":          {nil, ""},
		"all of it":        {[]string{"one\n", "two\n"}, "one\ntwo"},
		"not UTF-8":        {[]string{"a\xffb"}, "a\ufffdb"},
		"no whole line":    {[]string{strings.Repeat("x", 2*tailBytes)}, strings.Repeat("x", tailBytes)},
		"whole lines only": {[]string{"first\n", strings.Repeat("y", tailBytes-3) + "\n", "z\n"}, "z"},
		"a crash far from the end": {
			[]string{"starting\npanic: bo", "om\n\ngorou", "tine 1:\n", strings.Repeat("x\n", tailBytes/2)},
			"panic: boom\n\ngoroutine 1:\n" + strings.Repeat("x\n", (causeBytes-len("panic: boom\n\ngoroutine 1:\n"))/2) + "…\n" + strings.TrimSpace(strings.Repeat("x\n", tailBytes/2-1)),
		},
		"an abort far from the end": {
			[]string{"starting\nruntime/cgo: out of mem", "ory in thread_start\n\nSIGABRT: abort\n", strings.Repeat("x\n", tailBytes/2)},
			abort + strings.Repeat("x\n", causeBytes)[:causeBytes-len("SIGABRT: abort\n")] + "…\n" + strings.TrimSpace(strings.Repeat("x\n", tailBytes/2-1)),
		},
		"an abort after what is said again and again": {
			[]string{"busy\nSIGABRT: abort\n", strings.Repeat("busy\n", tailBytes/4)},
			"busy\nSIGABRT: abort\n" + strings.Repeat("busy\n", causeBytes)[:causeBytes-len("SIGABRT: abort\n")] + "…\n" + strings.TrimSpace(strings.Repeat("busy\n", (tailBytes-1)/5)),
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var to bytes.Buffer
			tail := NewTail(&to)
			for _, s := range c.write {
				n, err := tail.Write([]byte(s))
				require.NoError(t, err)
				require.Len(t, s, n)
			}
			require.Equal(t, c.want, tail.String())
			require.Equal(t, strings.Join(c.write, ""), to.String())
		})
	}
	broken := NewTail(brokenWriter{})
	n, err := broken.Write([]byte("still kept"))
	require.NoError(t, err)
	require.Equal(t, 10, n)
	require.Equal(t, "still kept", broken.String())
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, fmt.Errorf("nobody reads") }
