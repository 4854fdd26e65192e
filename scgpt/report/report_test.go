package report_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"html"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
	"github.com/seed-ab6af24b/troupe/scgpt/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// made returns a report on cells of some types, of which each has a place of its
// own in the embedding.
func made(cells, types int) *report.Report {
	random := rand.New(rand.NewPCG(1, 1))
	const dims = 12
	centres := make([]float32, types*dims)
	for i := range centres {
		centres[i] = float32(2.5 * random.NormFloat64())
	}
	r := &report.Report{
		Title: "made.h5ad", Method: "a model", ConfidenceMeaning: "a random number",
		LabelsKey: "predicted_labels", ConfidenceKey: "conf_score", TruthKey: "celltype",
		Embedding: neighbors.Matrix{Rows: cells, Cols: dims}, EmbeddingKey: "X_scGPT",
		Genes:      &report.GeneMatch{Total: 1200, Matched: 1100, UnmatchedCount: 90, Unmatched: []string{"MIR1302-2HG"}, DuplicateCount: 10, Duplicates: []string{"TBCE"}, MappedFromSymbols: 3},
		Provenance: []report.Fact{{Name: "Model", Value: "a model"}},
		Notes:      []string{"This is made up."},
		Similarity: &report.Similarity{Genes: []string{"CD3D", "MS4A1", "CD3E"}, Cosine: []float32{1, -0.2, 0.8, -0.2, 1, 0, 0.8, 0, 1}},
	}
	batch := report.Column{Name: "batch"}
	for i := range cells {
		k := i % types
		for j := range dims {
			r.Embedding.Data = append(r.Embedding.Data, centres[k*dims+j]+float32(random.NormFloat64()))
		}
		r.Cells = append(r.Cells, fmt.Sprintf("AAAC-%d", i))
		r.Truth = append(r.Truth, fmt.Sprintf("type %d", k))
		r.Labels = append(r.Labels, fmt.Sprintf("type %d", (k+i/types%7/6)%types))
		r.Confidence = append(r.Confidence, float32(i%101)/100)
		batch.Values = append(batch.Values, fmt.Sprintf("batch %d", i%2))
	}
	r.Columns = []report.Column{batch}
	r.Baseline = &report.Baseline{Labels: r.Truth, Method: "the truth itself"}
	m := &report.Markers{Genes: []string{"CD3D", "MS4A1"}}
	for k := range types {
		m.Types = append(m.Types, fmt.Sprintf("type %d", k))
		m.Fraction = append(m.Fraction, []float64{float64(k) / float64(types), 1})
		m.Mean = append(m.Mean, []float64{float64(k), 0.5})
	}
	r.Markers = m
	return r
}

func page(t *testing.T, r *report.Report) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, r.WriteHTML(t.Context(), &b))
	return b.String()
}

// Pages are too long to be shown by a test that fails.

func contains(t *testing.T, page, want string) {
	t.Helper()
	require.True(t, strings.Contains(page, want), "no %q in the page", want) //nolint:testifylint // see above
}

func containsNot(t *testing.T, page, unwanted string) {
	t.Helper()
	require.False(t, strings.Contains(page, unwanted), "%q in the page", unwanted) //nolint:testifylint // see above
}

func matches(t *testing.T, pattern, page string) {
	t.Helper()
	require.True(t, regexp.MustCompile(pattern).MatchString(page), pattern)
}

func matchesNot(t *testing.T, pattern, page string) {
	t.Helper()
	require.Empty(t, regexp.MustCompile(pattern).FindString(page), pattern)
}

// part returns what is between two texts, of which the first is there once.
func part(t *testing.T, text, before, after string) string {
	t.Helper()
	require.Equal(t, 1, strings.Count(text, before), before)
	_, rest, _ := strings.Cut(text, before)
	inner, _, found := strings.Cut(rest, after)
	require.True(t, found, after)
	return inner
}

func TestPageShowsEverything(t *testing.T) {
	t.Parallel()
	r := made(140, 7)
	got := page(t, r)
	for _, want := range []string{
		"<h1>made.h5ad</h1>", "This is made up.", "<dd>140</dd>", "1,100 of 1,200", "MIR1302-2HG", "TBCE", "3 were found by a column of symbols",
		"Baseline: the truth itself", `obs[&#34;celltype&#34;]`, "CD3D and MS4A1: -0.200", "MS4A1 in type 3: expressed in 100.0 % of the cells, mean 0.50",
		"The confidence is a random number.", "Not for diagnosis",
	} {
		contains(t, got, want)
	}
	// The comparison with the baseline says who wins.
	matches(t, `a model</th><td class="number">0\.9\d\d</td>`, got)
	matches(t, `the truth itself</th><td class="number best">1\.000</td>`, got)
	require.True(t, bytes.Equal([]byte(got), []byte(page(t, r))), "the same report gives the same bytes")
}

func TestPageLeavesOutWhatIsMissing(t *testing.T) {
	t.Parallel()
	containsNot(t, page(t, &report.Report{Title: "none"}), "NaN")
	got := page(t, &report.Report{Title: "few", Cells: []string{"a"}, Labels: []string{"B"}, Confidence: []float32{1}})
	contains(t, got, "<dd>1</dd>")
	for _, unwanted := range []string{`id="h-confusion"`, `id="h-markers"`, `id="h-similarity"`, `id="h-genes"`, `id="h-provenance"`, "<canvas", "<script", "Accuracy"} {
		containsNot(t, got, unwanted)
	}
}

// The script's data hold all cells, in the file's order.
func TestPageData(t *testing.T) {
	t.Parallel()
	r := made(60, 3)
	r.Labels[5], r.Truth[7] = "unassigned", ""
	var got struct {
		Cells []string
		Kinds []struct {
			Name           string
			Colour, Marker int
		}
		Labels, Confidence, Truth string
		Columns                   []struct{ Name string }
		Layouts                   []struct {
			Name, Points  string
			Width, Height float64
		}
	}
	require.NoError(t, json.Unmarshal([]byte(part(t, page(t, r), `<script type="application/json" id="data">`, "</script>")), &got))
	require.Equal(t, r.Cells, got.Cells)
	labels, truth, confidence := numbers(t, got.Labels), numbers(t, got.Truth), numbers(t, got.Confidence)
	for i := range r.Cells {
		require.Equal(t, r.Labels[i], got.Kinds[labels[i]].Name)
		require.InDelta(t, r.Confidence[i], float64(confidence[i])/math.MaxUint16, 1e-5)
		if i != 7 {
			require.Equal(t, r.Truth[i], got.Kinds[truth[i]].Name)
		}
	}
	require.Equal(t, uint16(math.MaxUint16), truth[7])
	last := got.Kinds[len(got.Kinds)-1]
	require.Equal(t, "unassigned", last.Name)
	require.Equal(t, -1, last.Colour)
	require.Equal(t, "batch", got.Columns[0].Name)
	require.Equal(t, "UMAP", got.Layouts[0].Name)
	require.Equal(t, "PCA", got.Layouts[1].Name)
	for _, l := range got.Layouts {
		require.Len(t, numbers(t, l.Points), 2*len(r.Cells))
		require.InDelta(t, 1, max(l.Width, l.Height), 1e-9)
	}
}

func numbers(t *testing.T, text string) []uint16 {
	t.Helper()
	bytes, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	out := make([]uint16, len(bytes)/2)
	for i := range out {
		out[i] = uint16(bytes[2*i]) | uint16(bytes[2*i+1])<<8
	}
	return out
}

// The policy allows this page's own style and script by their sums, and nothing
// else; the page asks for nothing else.
func TestPageIsSelfContained(t *testing.T) {
	t.Parallel()
	got := page(t, made(30, 3))
	policy := html.UnescapeString(part(t, got, `http-equiv="Content-Security-Policy" content="`, `"`))
	sum := func(text string) string {
		s := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(s[:]) + "'"
	}
	style, script := part(t, got, "<style>", "</style>"), part(t, got, "<script>", "</script>")
	require.Equal(t, "default-src 'none'; script-src "+sum(script)+"; style-src "+sum(style)+"; base-uri 'none'; form-action 'none'", policy)
	matchesNot(t, `(?i)@import|url\(`, style)
	matchesNot(t, `(?i)\b(fetch|XMLHttpRequest|WebSocket|EventSource|importScripts|sendBeacon|innerHTML|outerHTML|insertAdjacentHTML|eval|document\.write)\b`, script)
	markup := strings.ReplaceAll(strings.ReplaceAll(got, style, ""), script, "")
	matchesNot(t, `(?i)<(link|img|iframe|object|embed|base|form|audio|video|source)\b`, markup)
	matchesNot(t, `(?i)\s(src|srcset|action|style|on[a-z]+)\s*=`, markup)
	for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(markup, -1) {
		require.Regexp(t, `^#m\d$`, m[1])
	}
	matchesNot(t, `https?://`, strings.ReplaceAll(markup+style+strings.ReplaceAll(script, "http://www.w3.org/2000/svg", ""), "", ""))
}

// hostile texts stand in every place that the user's file fills.
var hostile = []string{
	`</script><script>document.title="owned"</script>`, `<img src=x onerror="document.title='owned'">`, `"><svg onload=alert(1)>`,
	`' onmouseover='alert(1)`, `{{.Title}}`, `javascript:alert(1)`, "a\u2028b\u0000c", `<!--`, `--><b>`, `]]>`, `=cmd|' /C calc'!A0`, strings.Repeat("long ", 400), "\xff\xfe broken", "ü β T⁺ 细胞 😀",
}

func hostileReport() *report.Report {
	r := made(3*len(hostile), len(hostile))
	for i := range r.Cells {
		h := hostile[i%len(hostile)]
		r.Cells[i], r.Labels[i], r.Truth[i], r.Columns[0].Values[i] = h, h, hostile[(i+1)%len(hostile)], h
	}
	r.Title, r.TruthKey, r.EmbeddingKey, r.Method, r.ConfidenceMeaning = hostile[0], hostile[1], hostile[0], hostile[1], hostile[0]
	r.Columns[0].Name, r.Baseline.Method = hostile[0], hostile[1]
	r.Markers.Types, r.Markers.Genes = hostile, hostile[:2]
	r.Similarity.Genes = hostile[:3]
	r.Genes.Unmatched, r.Genes.Duplicates = hostile, hostile
	r.Provenance = []report.Fact{{Name: hostile[0], Value: hostile[1]}}
	r.Notes = hostile
	return r
}

func TestPageEscapesHostileTexts(t *testing.T) {
	t.Parallel()
	got := page(t, hostileReport())
	require.Equal(t, 2, strings.Count(got, "<script"))
	require.Equal(t, 2, strings.Count(got, "</script"))
	for _, unwanted := range []string{"<img", "<b>", "<!--", "onload=alert(1)>", `onerror="document`} {
		containsNot(t, got, unwanted)
	}
	text := part(t, got, `<script type="application/json" id="data">`, "</script>")
	var data struct{ Cells []string }
	require.NoError(t, json.Unmarshal([]byte(text), &data))
	require.Equal(t, hostile[0], data.Cells[0])
	// Quotes in the markup are escaped, so that attributes end where they should.
	containsNot(t, strings.Replace(got, text, "", 1), "' onmouseover=")
}

func TestFewAndManyTypes(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ cells, types int }{{1, 1}, {2, 1}, {3, 3}, {400, 75}, {900, 300}} {
		t.Run(fmt.Sprintf("%d cells of %d types", size.cells, size.types), func(t *testing.T) {
			t.Parallel()
			got := page(t, made(size.cells, size.types))
			contains(t, got, "<canvas")
			if size.types > 60 {
				contains(t, got, fmt.Sprintf("The 60 types of the most cells; %d others are left out.", size.types-60))
			}
			if size.types > 200 {
				contains(t, got, "The 200 types of the most cells; 100 others are left out.")
			}
		})
	}
	// No cell has a label.
	r := made(20, 2)
	for i := range r.Labels {
		r.Labels[i] = ""
	}
	r.Truth, r.Baseline = nil, nil
	containsNot(t, page(t, r), `id="h-types"`)
}

func TestCSV(t *testing.T) {
	t.Parallel()
	r := made(3, 2)
	r.Cells[1], r.Truth[2], r.Confidence[0] = `odd "name", with a comma`, "", 1.0/3
	var b bytes.Buffer
	require.NoError(t, r.WriteCSV(&b))
	require.Equal(t, "cell,predicted_labels,conf_score,celltype\n"+
		"AAAC-0,type 0,0.33333334,type 0\n"+
		"\"odd \"\"name\"\", with a comma\",type 1,0.01,type 1\n"+
		"AAAC-2,type 0,0.02,\n", b.String())

	r.Truth, r.LabelsKey, r.ConfidenceKey = nil, "", ""
	b.Reset()
	require.NoError(t, r.WriteCSV(&b))
	require.True(t, strings.HasPrefix(b.String(), "cell,label,confidence\nAAAC-0,type 0,"))
}

func TestCSVKeepsHostileTexts(t *testing.T) {
	t.Parallel()
	r := hostileReport()
	r.TruthKey = "truth"
	var b bytes.Buffer
	require.NoError(t, r.WriteCSV(&b))
	rows, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, len(r.Cells)+1)
	for i, row := range rows[1:] {
		require.Equal(t, r.Cells[i], row[0])
		require.Equal(t, r.Labels[i], row[1])
		require.Equal(t, r.Truth[i], row[3])
	}
}

func TestSave(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := made(5, 2)
	require.NoError(t, r.SaveHTML(t.Context(), filepath.Join(dir, "report.html")))
	require.NoError(t, r.SaveCSV(t.Context(), filepath.Join(dir, "cells.csv")))
	require.NoError(t, r.SaveCSV(t.Context(), filepath.Join(dir, "cells.csv")), "a file that is there is replaced")
	data, err := os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)
	require.True(t, bytes.Equal([]byte(page(t, r)), data))

	require.ErrorIs(t, r.SaveHTML(t.Context(), filepath.Join(dir, "none", "report.html")), fs.ErrNotExist)
	require.ErrorContains(t, r.SaveCSV(t.Context(), dir), "not a regular file")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, r.SaveHTML(ctx, filepath.Join(dir, "late.html")), context.Canceled)
	require.ErrorIs(t, r.SaveCSV(ctx, filepath.Join(dir, "late.csv")), context.Canceled)
	r.Labels = r.Labels[1:]
	require.Error(t, r.SaveCSV(t.Context(), filepath.Join(dir, "bad.csv")))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 2, "nothing else is left")
}

func TestBadReports(t *testing.T) {
	t.Parallel()
	nan := float32(math.NaN())
	for name, tc := range map[string]struct {
		change func(r *report.Report)
		want   string
	}{
		"threads":       {func(r *report.Report) { r.Threads = -1 }, "report: Threads: -1, but it must be 0, for all processors, or more"},
		"labels":        {func(r *report.Report) { r.Labels = r.Labels[1:] }, "report: Labels: 3 entries, but there are 4 cells"},
		"confidences":   {func(r *report.Report) { r.Confidence = nil }, "report: Confidence: 0 entries, but there are 4 cells"},
		"no confidence": {func(r *report.Report) { r.Confidence[2] = nan }, "report: Confidence[2]: NaN, but it must be from 0 to 1"},
		"confidence":    {func(r *report.Report) { r.Confidence[0] = 1.5 }, "report: Confidence[0]: 1.5, but it must be from 0 to 1"},
		"truth":         {func(r *report.Report) { r.Truth = []string{} }, "report: Truth: 0 entries, but there are 4 cells"},
		"baseline":      {func(r *report.Report) { r.Baseline.Labels = nil }, "report: Baseline.Labels: 0 entries, but there are 4 cells"},
		"column":        {func(r *report.Report) { r.Columns[0].Values = nil }, `report: Columns["batch"]: 0 entries, but there are 4 cells`},
		"embedding":     {func(r *report.Report) { r.Embedding.Rows, r.Embedding.Data = 2, r.Embedding.Data[:24] }, "report: Embedding: 2 rows, but 4 of 4 cells are drawn"},
		"NaN":           {func(r *report.Report) { r.Embedding.Data[12] = nan }, "Embedding[1,0]: NaN, but distances need finite values"},
		"markers":       {func(r *report.Report) { r.Markers.Mean = nil }, "report: Markers: 2 and 0 rows for 2 types"},
		"marker row":    {func(r *report.Report) { r.Markers.Mean[1] = nil }, "report: Markers row 1: 2 and 0 values for 2 genes"},
		"marker share":  {func(r *report.Report) { r.Markers.Fraction[1][0] = 2 }, "report: Markers row 1, column 0: share 2, mean 1: want a share from 0 to 1 and a finite mean"},
		"similarity":    {func(r *report.Report) { r.Similarity.Cosine = nil }, "report: Similarity: 0 values for 3 genes"},
		"cosine":        {func(r *report.Report) { r.Similarity.Cosine[1] = nan }, "report: Similarity.Cosine[1]: NaN, but a cosine is from -1 to 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := made(4, 2)
			tc.change(r)
			err := r.WriteHTML(t.Context(), &bytes.Buffer{})
			require.EqualError(t, err, tc.want)
			require.EqualError(t, r.WriteCSV(&bytes.Buffer{}), tc.want)
			var typed interface{ ErrorType() string }
			require.ErrorAs(t, err, &typed)
			require.Equal(t, "InvalidDataError", typed.ErrorType())
		})
	}
}

func BenchmarkWriteHTML(b *testing.B) {
	for _, cells := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("cells=%d", cells), func(b *testing.B) {
			r := made(cells, 20)
			size := 0
			for b.Loop() {
				var w bytes.Buffer
				if err := r.WriteHTML(b.Context(), &w); err != nil {
					b.Fatal(err)
				}
				size = w.Len()
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}
