// Package browser tests the report of a run in a real Chromium, and takes its
// picture (see the command picture).
package browser

import (
	"cmp"
	"context"
	"os"
	"os/exec"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Find returns the path of a Chromium, "" where there is none: CHROMIUM says
// which, else one of the usual names in the PATH.
func Find() string {
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(cmp.Or(name, "chromium")); err == nil {
			return path
		}
	}
	return ""
}

// New starts a Chromium without a window. The function stops it.
func New(ctx context.Context, path string) (context.Context, context.CancelFunc) {
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Flag("disable-dev-shm-usage", true),
		// A mouse, which a machine without a screen has not got.
		chromedp.Flag("blink-settings", "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"),
	}
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium has none for root
	}
	return chromedp.NewContext(ctx, chromedp.WithAllocatorOptions(options...))
}

// Screen makes the page that large, and its reader prefer light or dark.
func Screen(width, height int64, scale float64, scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Steps(
		chromedp.EmulateViewport(width, height, chromedp.EmulateScale(scale)),
		chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			return err
		}))
}
