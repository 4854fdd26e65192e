package browser_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/integration/browser"
	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
	"github.com/seed-ab6af24b/troupe/scgpt/report"
)

// made returns a report on cells of some types; the first type and cell have
// hostile names.
func made(cells, types int) *report.Report {
	random := rand.New(rand.NewPCG(1, 1))
	const dims = 8
	r := &report.Report{
		Title: `made </title><script>document.title="owned"</script>.h5ad`, Embedding: neighbors.Matrix{Rows: cells, Cols: dims},
		EmbeddingKey: "X_scGPT", TruthKey: "celltype", Columns: []report.Column{{Name: "batch"}},
	}
	for i := range cells {
		k := i % max(types, 1)
		for j := range dims {
			r.Embedding.Data = append(r.Embedding.Data, float32(5*((k>>(j%6))&1))+float32(random.NormFloat64()))
		}
		name, label := fmt.Sprintf("ACGT-%d", i), fmt.Sprintf("type %d", k)
		if i == 0 {
			name = `<img src=x onerror="document.title='owned'">`
		}
		if k == 0 {
			label = `</script><b onclick=alert(1)>T & "cells"</b>`
		}
		truth := label
		if i%10 == 3 {
			truth = "another type"
		}
		if types == 0 {
			label, truth = "", ""
		}
		r.Cells, r.Labels, r.Truth = append(r.Cells, name), append(r.Labels, label), append(r.Truth, truth)
		r.Confidence = append(r.Confidence, float32(i%100)/100)
		r.Columns[0].Values = append(r.Columns[0].Values, fmt.Sprintf("batch %d", i%3))
	}
	return r
}

// page is a report open in Chromium.
type page struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	requests []string
	messages []string
}

// open writes a report and opens it.
func open(t *testing.T, r *report.Report, width int64, scheme string) *page {
	t.Helper()
	path := browser.Find()
	if path == "" {
		t.Skip("there is no Chromium in the PATH and CHROMIUM names none: what the page's script does is not tried")
	}
	file := filepath.Join(t.TempDir(), "report.html")
	require.NoError(t, r.SaveHTML(t.Context(), file))
	ctx, stop := browser.New(t.Context(), path)
	t.Cleanup(stop)
	p := &page{t: t, ctx: ctx}
	require.NoError(t, chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{})
		return err
	}), browser.Screen(width, 900, 1, scheme)))
	require.NoError(t, chromedp.Listen(ctx, p.note))
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("file://"+file)))
	t.Cleanup(func() { p.requireQuiet("file://" + file) })
	return p
}

// note keeps what the page asks for and what it complains of.
func (p *page) note(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *runtime.EventConsoleAPICalled:
		p.messages = append(p.messages, fmt.Sprintf("console.%s", e.Type))
	case *runtime.EventExceptionThrown:
		p.messages = append(p.messages, fmt.Sprintf("exception: %+v", e.ExceptionDetails))
	case *log.EventEntryAdded:
		p.messages = append(p.messages, e.Entry.Text)
	}
}

// requireQuiet makes sure that the page asked for nothing but itself, and that
// nothing went wrong: a breach of its own policy would be a message too.
func (p *page) requireQuiet(file string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Equal(p.t, []string{file}, p.requests)
	require.Empty(p.t, p.messages)
}

func (p *page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	require.NoError(p.t, chromedp.Do(ctx, steps...))
}

func value[T any](p *page, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	require.NoError(p.t, err, expression)
	return v
}

// await waits until an expression has a value: the page draws when the browser
// finds the time.
func await[T comparable](p *page, want T, expression string) {
	p.t.Helper()
	end := time.Now().Add(30 * time.Second)
	for {
		got := value[T](p, expression)
		if got == want {
			return
		}
		if time.Now().After(end) {
			require.Equal(p.t, want, got, expression)
		}
		p.do(chromedp.Sleep(20 * time.Millisecond))
	}
}

func text(id string) string { return fmt.Sprintf("document.getElementById(%q).textContent", id) }

// pixels are the plot's, read from a copy: Chromium warns of reading the canvas
// itself more than once.
const pixels = `(() => {
	const c = document.getElementById("canvas"), k = document.createElement("canvas");
	k.width = c.width;
	k.height = c.height;
	const d = k.getContext("2d", {willReadFrequently: true});
	d.drawImage(c, 0, 0);
	return d.getImageData(0, 0, c.width, c.height).data;
})()`

func TestReport(t *testing.T) {
	t.Parallel()
	r := made(300, 5)
	p := open(t, r, 1280, "light")
	await(p, "300 of 300 cells shown", text("status"))
	await(p, "300", "document.getElementById('canvas').dataset.drawn")

	// Points are there, in as many colours as there are types.
	const colours = `(() => {
		const d = ` + pixels + `, seen = {};
		for (let i = 0; i < d.length; i += 4) if (d[i] + d[i+1] + d[i+2] < 740) seen[[d[i] >> 4, d[i+1] >> 4, d[i+2] >> 4]] = (seen[[d[i] >> 4, d[i+1] >> 4, d[i+2] >> 4]] || 0) + 1;
		return Object.values(seen).filter(n => n > 500).length;
	})()`
	require.GreaterOrEqual(t, value[int](p, colours), 5)

	// Hostile names are text.
	require.NotEqual(t, "owned", value[string](p, "document.title"))
	require.Zero(t, value[int](p, "document.querySelectorAll('img,b:not(#tip b),iframe,link').length"))
	require.Equal(t, r.Labels[0], value[string](p, "document.querySelector('#legend .toggle span').textContent"))

	// A type is hidden and shown, alone and with the others.
	p.do(chromedp.Click(chromedp.CSS("#legend li:nth-child(1) .toggle")))
	await(p, "240 of 300 cells shown", text("status"))
	require.Equal(t, "false", value[string](p, "document.querySelector('#legend .toggle').getAttribute('aria-pressed')"))
	p.do(chromedp.Click(chromedp.CSS("#legend li:nth-child(1) .only")))
	await(p, "60 of 300 cells shown", text("status"))
	p.do(chromedp.Click(chromedp.ID("nobody")))
	await(p, "0 of 300 cells shown", text("status"))
	p.do(chromedp.Click(chromedp.ID("all")))
	await(p, "300 of 300 cells shown", text("status"))

	// The other layout puts cells elsewhere.
	before := p.choose(0)
	p.do(chromedp.Click(chromedp.CSS("#layouts button:nth-child(2)")))
	await(p, true, "document.getElementById('canvas').getAttribute('aria-label').includes('PCA')")
	require.NotEqual(t, before, p.choose(0))
	p.do(chromedp.Click(chromedp.CSS("#layouts button:nth-child(1)")))

	// Colours by something else: five ways, with the batch last.
	require.Equal(t, 5, value[int](p, "document.querySelectorAll('#colour option').length"))
	p.pick("colour", 1)
	await(p, "Confidence", text("legend-title"))
	require.False(t, value[bool](p, "document.getElementById('scale').hidden"))
	p.pick("colour", 3)
	await(p, "as predicted270other than predicted30", "[...document.querySelectorAll('#legend .toggle')].map(e => e.textContent).join('')")
	p.pick("colour", 4)
	await(p, "batch", text("legend-title"))
	require.Equal(t, 3, value[int](p, "document.querySelectorAll('#legend li').length"))
	p.pick("colour", 0)

	// Only the cells that are sure enough.
	p.set("least", "0.5")
	await(p, "150 of 300 cells shown", text("status"))
	p.set("least", "0")

	// By name, of a cell or a type.
	p.do(chromedp.SendKeys(chromedp.ID("find"), "ACGT-29"))
	await(p, "11 of 300 cells found", text("status"))
	p.do(chromedp.SendKeys(chromedp.ID("find"), kb.Escape))
	await(p, "300 of 300 cells shown", text("status"))
	p.do(chromedp.SendKeys(chromedp.ID("find"), "TYPE 3"))
	await(p, "60 of 300 cells found", text("status"))
	p.do(chromedp.SendKeys(chromedp.ID("find"), kb.Escape))

	// The picture can be saved.
	value[any](p, `(() => {
		const make = URL.createObjectURL;
		URL.createObjectURL = b => { window.saved = b.type + " " + (b.size > 5000); return make(b); };
		HTMLAnchorElement.prototype.click = function() { window.saved += " " + this.download; };
		document.getElementById("save").click();
	})()`)
	await(p, "image/png true umap.png", "String(window.saved)")

	// Names of types on the plot, zoom, and back.
	p.do(chromedp.Click(chromedp.ID("names")), chromedp.Click(chromedp.ID("nearer")), chromedp.Click(chromedp.ID("farther")), chromedp.Click(chromedp.ID("fit")))
	await(p, "300 of 300 cells shown", text("status"))
}

// choose goes to a cell by keys, and returns where it is.
func (p *page) choose(i int) [2]float64 {
	p.t.Helper()
	p.do(chromedp.Focus(chromedp.ID("canvas")), chromedp.KeyEvent(kb.Escape))
	for range i + 1 {
		p.do(chromedp.KeyEvent("n"))
	}
	at := value[[]float64](p, "(() => { const c = document.getElementById('canvas'), b = c.getBoundingClientRect(); return [b.left + Number(c.dataset.x), b.top + Number(c.dataset.y)]; })()")
	require.Len(p.t, at, 2)
	return [2]float64{at[0], at[1]}
}

func (p *page) pick(id string, option int) {
	p.t.Helper()
	value[any](p, fmt.Sprintf("(() => { const s = document.getElementById(%q); s.value = %d; s.dispatchEvent(new Event('change')); })()", id, option))
}

func (p *page) set(id, v string) {
	p.t.Helper()
	value[any](p, fmt.Sprintf("(() => { const s = document.getElementById(%q); s.value = %q; s.dispatchEvent(new Event('input')); })()", id, v))
}

// A cell tells what it is: to the keyboard, to those who listen, and to the
// pointer, which is put where the keyboard found it.
func TestReportTellsOfACell(t *testing.T) {
	t.Parallel()
	r := made(60, 3)
	p := open(t, r, 1280, "light")
	await(p, "60 of 60 cells shown", text("status"))
	for _, i := range []int{0, 3} {
		at := p.choose(i)
		want := r.Cells[i] + "Predicted" + r.Labels[i] + fmt.Sprintf("Confidence0.0%d0", i) + "True" + r.Truth[i]
		if r.Truth[i] == r.Labels[i] {
			want += " ✓"
		} else {
			want += " ✗"
		}
		want += "batch" + r.Columns[0].Values[i]
		require.False(t, value[bool](p, "document.getElementById('tip').hidden"))
		require.Equal(t, want, value[string](p, text("tip")))
		require.Contains(t, value[string](p, text("spoken")), r.Cells[i]+", Predicted "+r.Labels[i])

		p.do(chromedp.KeyEvent(kb.Escape))
		await(p, true, "document.getElementById('tip').hidden")
		p.do(chromedp.MouseEvent(chromedp.MouseMoved, at[0]+1, at[1]))
		await(p, false, "document.getElementById('tip').hidden")
		require.Equal(t, want, value[string](p, text("tip")))
		p.do(chromedp.MouseEvent(chromedp.MouseMoved, 5, 5))
		await(p, true, "document.getElementById('tip').hidden")
	}
}

func TestReportInDarkAndLight(t *testing.T) {
	t.Parallel()
	p := open(t, made(60, 3), 1280, "dark")
	await(p, "60 of 60 cells shown", text("status"))
	const ground = "getComputedStyle(document.body).backgroundColor"
	const corner = "(() => { const d = " + pixels + "; return d[0] + d[1] + d[2]; })()"
	require.Equal(t, "rgb(13, 16, 20)", value[string](p, ground))
	require.Less(t, value[int](p, corner), 200)
	p.do(chromedp.Click(chromedp.ID("theme")))
	await(p, "rgb(245, 246, 248)", ground)
	await(p, 765, corner)
	p.do(chromedp.Click(chromedp.ID("theme")))
	await(p, "rgb(13, 16, 20)", ground)
}

// Nothing is wider than the screen, but for tables, which scroll by themselves.
func TestReportOnSmallScreens(t *testing.T) {
	t.Parallel()
	for _, width := range []int64{360, 800} {
		p := open(t, made(120, 40), width, "light")
		await(p, "120 of 120 cells shown", text("status"))
		require.LessOrEqual(t, value[int64](p, "document.documentElement.scrollWidth"), width)
	}
}

func TestReportSizes(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ cells, types int }{{1, 1}, {40, 0}, {300, 75}, {6000, 12}} {
		t.Run(fmt.Sprintf("%d cells of %d types", size.cells, size.types), func(t *testing.T) {
			p := open(t, made(size.cells, size.types), 1280, "light")
			n := fmt.Sprint(size.cells)
			if size.cells == 6000 {
				n = "6,000"
			}
			await(p, n+" of "+n+" cells shown", text("status"))
			for k := range value[int](p, "document.querySelectorAll('#colour option').length") {
				p.pick("colour", k)
				await(p, n+" of "+n+" cells shown", text("status"))
			}
		})
	}
}

// The data in the page are what the report holds, to the last cell.
func TestReportDataSurviveTheBrowser(t *testing.T) {
	t.Parallel()
	r := made(50, 4)
	p := open(t, r, 1280, "light")
	var got struct{ Cells []string }
	require.NoError(t, json.NewDecoder(strings.NewReader(value[string](p, text("data")))).Decode(&got))
	require.Equal(t, r.Cells, got.Cells)
}
