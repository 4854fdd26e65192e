package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// showProgress shows the estimate of a workflow, once it is there, and a progress
// bar, until the workflow or ctx ends.
func (a *app) showProgress(ctx context.Context, c *api.Client, id string) {
	bar := newBar(a.stderr, 1)
	defer func() { _ = bar.Finish() }()
	told := false
	for p, err := range c.Progress(ctx, id) {
		if err != nil {
			return // who waits for the result hears of it
		}
		if p.Estimate != nil && !told && p.Phase != api.PhaseDone {
			told = true
			a.say("      %d cells, in pieces: %d; estimate: %s", p.CellsTotal, max(p.ShardsTotal, 1), estimate(*p.Estimate))
		}
		if p.CellsTotal > 0 {
			bar.ChangeMax(p.CellsTotal)
			bar.Describe(phaseOf(p))
			_ = bar.Set(p.CellsDone)
		}
	}
}

func phaseOf(p api.Progress) string {
	if p.Waiting > 0 && p.CellsDone < p.CellsTotal {
		return fmt.Sprintf("%s (%d more in line for the device)", p.Phase, p.Waiting)
	}
	return p.Phase
}

// estimate says what a worker will take.
func estimate(e api.Estimate) string {
	text := fmt.Sprintf("%v on one worker like this, %.2f GB of memory", roundDuration(e.Seconds), float64(e.MemoryBytes)/1e9)
	if e.DeviceBytes > 0 {
		text += fmt.Sprintf(" and %.2f GB on the device", float64(e.DeviceBytes)/1e9)
	}
	return text
}

func roundDuration(seconds float64) time.Duration {
	d := time.Duration(seconds * float64(time.Second))
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

// newBar returns a progress bar over a number of cells, which shows nothing
// where w is no terminal.
func newBar(w io.Writer, cells int) *progressbar.ProgressBar {
	return progressbar.NewOptions(cells,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetVisibility(isTerminal(w)),
		progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(100*time.Millisecond),
	)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
