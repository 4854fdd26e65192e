// Command picture takes a picture of a report, as a reader sees it at first:
//
//	go run ./integration/browser/picture out/pbmc68k_test.annotated.report.html docs/report.png
//
// It needs a Chromium; CHROMIUM says which.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/seed-ab6af24b/troupe/integration/browser"
)

func main() {
	width := flag.Int64("width", 1280, "of the page, in CSS pixels")
	height := flag.Int64("height", 1090, "of the page, in CSS pixels")
	scheme := flag.String("scheme", "light", "light or dark")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: picture [--width N] [--height N] [--scheme light|dark] REPORT.html PICTURE.png")
		os.Exit(2)
	}
	if err := take(flag.Arg(0), flag.Arg(1), *width, *height, *scheme); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func take(report, out string, width, height int64, scheme string) error {
	path := browser.Find()
	if path == "" {
		return fmt.Errorf("there is no Chromium in the PATH: install one, or name it in CHROMIUM")
	}
	report, err := filepath.Abs(report)
	if err != nil {
		return err
	}
	ctx, stop := browser.New(context.Background(), path)
	defer stop()
	if err := chromedp.Do(ctx,
		browser.Screen(width, height, 1.5, scheme),
		chromedp.Navigate("file://"+report),
		chromedp.Sleep(time.Second), // fonts and the plot
	); err != nil {
		return err
	}
	shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return err
	}
	return os.WriteFile(out, shot, 0o644)
}
