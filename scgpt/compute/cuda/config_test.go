package cuda

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseConfig(t *testing.T) {
	t.Parallel()
	plain := config{memory: 0.9, attention: auto, rows: rowBlock, arena: true}
	with := func(change func(*config)) config {
		c := plain
		change(&c)
		return c
	}
	for text, want := range map[string]config{
		"":                       plain,
		"0":                      plain,
		"3":                      with(func(c *config) { c.ordinal = 3 }),
		"1,memory=0.5":           with(func(c *config) { c.ordinal, c.memory = 1, 0.5 }),
		"memory=1,batch=4096":    with(func(c *config) { c.memory, c.batch = 1, 4096 }),
		"0,attention=cublas":     with(func(c *config) { c.attention = cublas }),
		"0,rows=16,arena=off":    with(func(c *config) { c.rows, c.arena = 16, false }),
		"0,algorithm=2,arena=on": with(func(c *config) { c.algorithm = 2 }),
	} {
		got, err := parseConfig(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, problem := range map[string]string{
		"x":                 "want the number of a GPU",
		"-1":                "want the number of a GPU",
		"0,1":               "want the number of a GPU",
		"0,":                "want the number of a GPU",
		"0,memory=0":        "want a share above 0",
		"0,memory=1.5":      "want a share above 0",
		"0,memory=NaN":      "want a share above 0",
		"0,batch=0":         "want 1 to",
		"0,batch=99999999":  "want 1 to",
		"0,rows=x":          "want 1 to 65536",
		"0,attention=quick": "want one of auto",
		"0,arena=maybe":     "want on or off",
		"0,algorithm=16":    "want 0 to 15",
		"0,speed=high":      `unknown option "speed"; known: memory`,
	} {
		_, err := parseConfig(text)
		require.ErrorContains(t, err, problem, text)
	}
}

func TestVariant(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0,memory=0.5,batch=100,arena=off":    "", // change no bits
		"0,attention=simple":                  "-simple",
		"0,rows=16,attention=mma,algorithm=1": "-mma-rows16-algorithm1",
	} {
		c, err := parseConfig(text)
		require.NoError(t, err)
		require.Equal(t, want, c.variant(), text)
	}
}

func TestBatchFor(t *testing.T) {
	t.Parallel()
	c, err := parseConfig("")
	require.NoError(t, err)
	require.Equal(t, batchTokens, c.batchFor(70<<30))
	require.Equal(t, 65536, c.batchFor(2<<30))
	require.Equal(t, 1024, c.batchFor(1))
	c.batch = 77
	require.Equal(t, 77, c.batchFor(1))
}
