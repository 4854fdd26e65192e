package report

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed" // the parts of the page
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"math"
	"strconv"
	"strings"
)

var (
	//go:embed page/page.html
	pageText string
	//go:embed page/style.css
	styleText string
	//go:embed page/plot.js
	scriptText string
)

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"thousands": thousands, "percent": percent, "decimals": decimals,
	"dotSizes": dotSizes,
}).Parse(pageText))

// policy lets the browser take the page's own style and script and nothing else,
// from nowhere.
var policy = fmt.Sprintf("default-src 'none'; script-src %s; style-src %s; base-uri 'none'; form-action 'none'", sourceHash(scriptText), sourceHash(fullStyle))

// fullStyle is the style sheet with the colours of the palette.
var fullStyle = styleText + paletteStyle()

func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// paletteStyle gives the colours of kinds and the steps of tables their classes.
func paletteStyle() string {
	var b strings.Builder
	for i, c := range palette {
		fmt.Fprintf(&b, ".c%d{--kind:%s}\n", i, c)
	}
	fmt.Fprintf(&b, ".none{--kind:%s}\n", neutral)
	for i := range steps + 1 {
		fmt.Fprintf(&b, ".q%d{--part:%d%%}\n", i, 100*i/steps)
		side, part := "cold", steps-2*i
		if part < 0 {
			side, part = "warm", -part
		}
		fmt.Fprintf(&b, ".d%d{--part:%d%%;--heat:var(--%s)}\n", i, 100*part/steps, side)
	}
	return b.String()
}

// page is what the template shows.
type page struct {
	Title          string
	Policy         string
	Style          template.CSS
	Script         template.JS
	Tiles          []tile
	Notes          []string
	Plot           *plot
	PlotNote       string
	Types          []typeRow
	TypesNote      string
	TypesLeft      string
	Scores         *scores
	Methods        []method
	Confusion      *grid
	ConfusionNote  string
	Markers        *grid
	Similarity     *grid
	SimilarityNote string
	Genes          *GeneMatch
	GenesPercent   int
	Provenance     []Fact
	ConfidenceNote string
}

// tile is a figure at the top of the page.
type tile struct {
	Name, Value, Note string
	Warn              bool
}

// method is a line of the comparison with the baseline.
type method struct {
	Name                 string
	Accuracy, F1         float64
	BestAccuracy, BestF1 bool
}

// WriteHTML writes the page. It computes the layouts, which takes most of the
// time: see the benchmarks of package projection. When ctx ends, WriteHTML returns
// its error.
func (r *Report) WriteHTML(ctx context.Context, w io.Writer) error {
	if err := r.check(); err != nil {
		return err
	}
	p, err := r.newPage(ctx)
	if err != nil {
		return err
	}
	// A template that fails half way must not leave half a page.
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		return err
	}
	_, err = w.Write(b.Bytes())
	return err
}

// SaveHTML is WriteHTML to a file, of which nothing is left when it fails.
func (r *Report) SaveHTML(ctx context.Context, path string) error {
	return save(ctx, path, func(w io.Writer) error { return r.WriteHTML(ctx, w) })
}

func (r *Report) newPage(ctx context.Context) (*page, error) {
	names := byCount(r.Labels, r.Truth)
	p := &page{
		Title: r.Title, Policy: policy, Style: template.CSS(fullStyle), Script: template.JS(scriptText),
		Notes: r.Notes, Genes: r.Genes, Provenance: r.Provenance,
		ConfidenceNote: "The confidence is " + cmp.Or(r.ConfidenceMeaning, "the method's own") + ".",
	}
	p.Scores = score(r.Truth, r.Labels)
	p.Types = r.typeRows(kindsOf(names), p.Scores)
	if n := len(p.Types); n > maxTypeRows {
		p.TypesLeft = fmt.Sprintf("The %d types of the most cells; %s others are left out.", maxTypeRows, thousands(n-maxTypeRows))
		p.Types = p.Types[:maxTypeRows]
	}
	p.TypesNote = fmt.Sprintf("Confidence is the mean over the type's cells; unsure are those below %.1f.", unsure)
	if p.Scores != nil {
		p.TypesNote += fmt.Sprintf(" True types are those of obs[%q].", cmp.Or(r.TruthKey, "truth"))
		p.Confusion = p.Scores.confusion()
		p.ConfusionNote = fmt.Sprintf("Rows are true types with their numbers of cells, columns predicted ones. The colour is the share of the row. %s of %s cells have a true type.",
			thousands(p.Scores.Cells), thousands(len(r.Cells)))
		p.Methods = r.methods(p.Scores)
	}
	if m := r.Markers; m != nil && len(m.Genes) > 0 && len(m.Types) > 0 {
		p.Markers = m.dots()
	}
	if s := r.Similarity; s != nil && len(s.Genes) > 1 {
		var greatest float64
		p.Similarity, greatest = s.heatMap()
		p.SimilarityNote = fmt.Sprintf("Cosine of the model's vectors of two genes, whatever the cell; similar genes stand together. Colours span −%.2f to %.2f.", greatest, greatest)
	}
	if p.Genes != nil && p.Genes.Total > 0 {
		p.GenesPercent = int(math.Round(100 * float64(p.Genes.Matched) / float64(p.Genes.Total)))
	}
	p.Tiles = r.tiles(p)
	if r.Embedding.Rows == 0 {
		return p, nil
	}
	var err error
	if p.Plot, err = r.newPlot(ctx, names); err != nil {
		return nil, err
	}
	p.PlotNote = fmt.Sprintf("Each point is a cell, placed by %s.", cmp.Or(r.EmbeddingKey, "its embedding"))
	if n, all := len(p.Plot.Cells), len(r.Cells); n < all {
		p.PlotNote = fmt.Sprintf("Each point is a cell, placed by %s: %s of %s, evenly spaced over the file.", cmp.Or(r.EmbeddingKey, "its embedding"), thousands(n), thousands(all))
	}
	return p, nil
}

// methods compares the labels with those of the baseline, if there is one.
func (r *Report) methods(s *scores) []method {
	if r.Baseline == nil {
		return nil
	}
	b := score(r.Truth, r.Baseline.Labels)
	if b == nil {
		return nil
	}
	list := []method{
		{Name: cmp.Or(r.Method, "Labels of this report"), Accuracy: s.Accuracy, F1: s.MacroF1},
		{Name: "Baseline: " + r.Baseline.Method, Accuracy: b.Accuracy, F1: b.MacroF1},
	}
	for i := range list {
		other := list[1-i]
		list[i].BestAccuracy = list[i].Accuracy >= other.Accuracy
		list[i].BestF1 = list[i].F1 >= other.F1
	}
	return list
}

// tiles are the figures at the top.
func (r *Report) tiles(p *page) []tile {
	types := tile{Name: "Cell types"}
	given := byCount(r.Labels)
	if n := len(given); n > 0 && given[n-1] == unassigned {
		given = given[:n-1]
		types.Note = thousands(count(r.Labels, unassigned)) + " unassigned"
	}
	types.Value = thousands(len(given))
	sum, low := 0.0, 0
	for _, c := range r.Confidence {
		sum += float64(c)
		if c < unsure {
			low++
		}
	}
	n := len(r.Cells)
	tiles := []tile{
		{Name: "Cells", Value: thousands(n)},
		types,
		{Name: "Mean confidence", Value: decimals(sum / float64(max(n, 1))), Note: fmt.Sprintf("%s below %.1f", plural(low, "cell"), unsure)},
	}
	if s := p.Scores; s != nil {
		note := "macro F1 " + decimals(s.MacroF1)
		if len(p.Methods) > 1 {
			note = "baseline " + decimals(p.Methods[1].Accuracy)
		}
		tiles = append(tiles, tile{Name: "Accuracy", Value: decimals(s.Accuracy), Note: note})
	}
	if g := r.Genes; g != nil && g.Total > 0 {
		share := float64(g.Matched) / float64(g.Total)
		tiles = append(tiles, tile{Name: "Genes known", Value: percent(share), Note: thousands(g.Matched) + " of " + thousands(g.Total), Warn: share < 0.6})
	}
	return tiles
}

// dotRadius makes the area of a dot the share.
func dotRadius(share float64) string { return strconv.FormatFloat(9*math.Sqrt(share), 'f', 1, 64) }

// dotSizes are dots to compare others with.
func dotSizes() []gridCell {
	var list []gridCell
	for _, share := range []float64{0.1, 0.25, 0.5, 1} {
		list = append(list, gridCell{Radius: dotRadius(share), Text: fmt.Sprintf("%.0f %%", 100*share)})
	}
	return list
}

// dots shows the expression of marker genes.
func (m *Markers) dots() *grid {
	g := &grid{Dots: true}
	genes := m.Genes[:min(len(m.Genes), maxGenes)]
	greatest := make([]float64, len(genes))
	for _, row := range m.Mean {
		for j := range genes {
			greatest[j] = max(greatest[j], row[j])
		}
	}
	g.Columns = genes
	for i, t := range m.Types[:min(len(m.Types), maxConfusion)] {
		row := gridRow{Name: t}
		for j, gene := range genes {
			f, v := m.Fraction[i][j], m.Mean[i][j]
			c := gridCell{Title: fmt.Sprintf("%s in %s: expressed in %s of the cells, mean %.2f", gene, t, percent(f), v)}
			if f > 0 {
				c.Radius = dotRadius(f)
				c.Class = stepClass(max(v, 0) / max(greatest[j], 1e-9))
			}
			row.Cells = append(row.Cells, c)
		}
		g.Rows = append(g.Rows, row)
	}
	if left := len(m.Types) - len(g.Rows); left > 0 {
		g.Left = fmt.Sprintf("The %d types of the most cells; %d others are left out.", len(g.Rows), left)
	}
	return g
}

func count(values []string, wanted string) int {
	n := 0
	for _, v := range values {
		if v == wanted {
			n++
		}
	}
	return n
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}

// thousands writes a number with a comma after each three digits.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

func decimals(v float64) string { return fmt.Sprintf("%.3f", v) }
