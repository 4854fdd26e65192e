package cuda

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// config is what stands behind the colon of a device's name.
type config struct {
	ordinal   int
	memory    float64
	batch     int
	attention string
	rows      int
	arena     bool
	algorithm int
}

// Ways to compute attention.
const (
	auto   = "auto"
	mma    = "mma"
	wgmma  = "wgmma"
	cublas = "cublas"
	simple = "simple"
)

// rowBlock is the number of rows to which products are padded: a multiple of
// every tile that cuBLAS has.
const rowBlock = 256

func parseConfig(text string) (config, error) {
	c := config{memory: 0.9, attention: auto, rows: rowBlock, arena: true}
	if text == "" {
		return c, nil
	}
	for i, part := range strings.Split(text, ",") {
		key, value, isOption := strings.Cut(part, "=")
		if !isOption {
			n, err := strconv.Atoi(part)
			if err != nil || n < 0 || i > 0 {
				return c, fmt.Errorf("configuration %q: want the number of a GPU, then options as in 0,memory=0.5", text)
			}
			c.ordinal = n
			continue
		}
		if err := c.set(key, value); err != nil {
			return c, fmt.Errorf("configuration %q: %w", text, err)
		}
	}
	return c, nil
}

func (c *config) set(key, value string) (err error) {
	switch key {
	case "memory":
		c.memory, err = strconv.ParseFloat(value, 64)
		if err != nil || !(c.memory > 0 && c.memory <= 1) {
			return fmt.Errorf("memory is %q, want a share above 0, at most 1", value)
		}
	case "batch":
		if c.batch, err = strconv.Atoi(value); err != nil || c.batch < 1 || c.batch > maxBatchTokens {
			return fmt.Errorf("batch is %q, want 1 to %d tokens", value, maxBatchTokens)
		}
	case "rows":
		if c.rows, err = strconv.Atoi(value); err != nil || c.rows < 1 || c.rows > 65536 {
			return fmt.Errorf("rows is %q, want 1 to 65536", value)
		}
	case "attention":
		if ways := []string{auto, mma, wgmma, cublas, simple}; !slices.Contains(ways, value) {
			return fmt.Errorf("attention is %q, want one of %s", value, strings.Join(ways, ", "))
		}
		c.attention = value
	case "algorithm":
		if c.algorithm, err = strconv.Atoi(value); err != nil || c.algorithm < 0 || c.algorithm > 15 {
			return fmt.Errorf("algorithm is %q, want 0 to 15", value)
		}
	case "arena":
		if value != "on" && value != "off" {
			return fmt.Errorf("arena is %q, want on or off", value)
		}
		c.arena = value == "on"
	default:
		return fmt.Errorf("unknown option %q; known: memory, batch, attention, rows, algorithm, arena", key)
	}
	return nil
}

// Tokens per call. A forward pass of the full-size model takes some 14 KiB a
// token in float32, half of that in bfloat16.
const (
	batchTokens    = 131072
	maxBatchTokens = 1 << 24
	bytesPerToken  = 16 << 10
)

// batchFor returns the tokens per call for a device whose tensors may take that
// many bytes: half of them are left to weights and outliers.
func (c config) batchFor(bytes int64) int {
	if c.batch > 0 {
		return c.batch
	}
	fits := bytes / 2 / bytesPerToken
	return int(max(1024, min(batchTokens, fits)))
}

// variant is what a class says of options that change a result's bits.
func (c config) variant() string {
	v := ""
	if c.attention != auto {
		v += "-" + c.attention
	}
	if c.rows != rowBlock {
		v += "-rows" + strconv.Itoa(c.rows)
	}
	if c.algorithm != 0 {
		v += "-algorithm" + strconv.Itoa(c.algorithm)
	}
	return v
}
