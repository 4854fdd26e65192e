package checkpoint

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/internal/alloctest"
)

func TestParseArgs(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ json, want string }{
		"no heads":          {`{}`, "nheads is missing"},
		"null heads":        {`{"nheads":null}`, "nheads is missing"},
		"fraction":          {`{"nheads":1.5}`, "nheads = 1.5, a whole number from 1 to 4096 would be right"},
		"zero":              {`{"nheads":0}`, "nheads = 0"},
		"negative":          {`{"nheads":8,"nlayers":-1}`, "nlayers = -1"},
		"absurd width":      {`{"nheads":8,"embsize":1e18}`, "embsize = 1e+18"},
		"absurd layers":     {`{"nheads":8,"nlayers":1000000}`, "nlayers = 1e+06"},
		"beyond float64":    {`{"nheads":8,"embsize":1e999}`, "embsize"},
		"number as string":  {`{"nheads":"8"}`, "nheads"},
		"one bin":           {`{"nheads":8,"n_bins":1}`, "n_bins = 1"},
		"absurd pad value":  {`{"nheads":8,"pad_value":1e30}`, "pad_value = 1e+30"},
		"empty pad token":   {`{"nheads":8,"pad_token":""}`, "pad_token is empty"},
		"unknown style":     {`{"nheads":8,"input_emb_style":"magic"}`, `input_emb_style = "magic", one of continuous, category, scaling would be right`},
		"unknown pooling":   {`{"nheads":8,"cell_emb_style":"max"}`, "one of cls, avg-pool, w-pool"},
		"two documents":     {`{"nheads":8}{}`, "invalid character"},
		"the first error":   {`{"nheads":0,"nlayers":0}`, "nheads = 0"},
		"the first of many": {`{"nheads":2,"embsize":-1,"d_hid":-1}`, "embsize = -1"},
		"not divided":       {`{"nheads":8,"embsize":12}`, "embsize = 12 is no multiple of nheads = 8"},
		"deep":              {strings.Repeat(`{"a":`, 20000), "exceeded max depth"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseArgs("args.json", []byte(tc.json))
			require.ErrorContains(t, err, "args.json: ")
			require.ErrorContains(t, err, tc.want)
		})
	}
	args, err := parseArgs("args.json", []byte(`{"nheads":8,"pad_value":0.5,"pad_token":"P","cell_emb_style":"w-pool","input_emb_style":"scaling","unknown":{"a":[1]}}`))
	require.NoError(t, err)
	require.Equal(t, Args{NHeads: 8, NLayersCls: 3, NBins: 51, PadToken: "P", PadValue: 0.5, MaskValue: -1, MaxSeqLen: 1200, InputEmbStyle: Scaling, CellEmbStyle: WPool}, args)
}

func TestParseVocab(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ json, want string }{
		"empty file":  {``, "EOF"},
		"a list":      {`["A"]`, "a JSON object was expected"},
		"a number":    {`1`, "a JSON object"},
		"no tokens":   {`{}`, "no tokens"},
		"gap":         {`{"A":0,"B":2}`, `the id of "B" is 2, but there are 2 tokens: ids must be 0 to 1 without gaps`},
		"shared id":   {`{"A":0,"B":0}`, `tokens "A" and "B" share the id 0`},
		"negative":    {`{"A":-1}`, `the id of "A" is -1`},
		"fraction":    {`{"A":0.5}`, `the id of "A" is 0.5`},
		"too large":   {`{"A":99999999999}`, `the id of "A" is 99999999999`},
		"a string":    {`{"A":"0"}`, `the id of "A" is 0, a number would be right`},
		"nested":      {`{"A":{"B":0}}`, `the id of "A" is {`},
		"null":        {`{"A":null}`, `the id of "A" is <nil>`},
		"token twice": {`{"A":0,"A":1}`, `"A" stands there twice`},
		"cut":         {`{"A":0,"B"`, "EOF"},
		"not closed":  {`{"A":0`, "EOF"},
		"rest":        {`{"A":0} {"B":1}`, "something follows"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseVocab("vocab.json", []byte(tc.json), "<pad>")
			require.ErrorContains(t, err, "vocab.json: ")
			require.ErrorContains(t, err, tc.want)
		})
	}
	v, err := parseVocab("vocab.json", []byte(`{"B":1,"A":0}`), "PAD")
	require.NoError(t, err)
	require.Equal(t, []string{"A", "B", "PAD", "<cls>", "<eoc>"}, v.tokens)
	require.EqualValues(t, 2, v.Pad())
	require.Empty(t, v.Token(-1))
}

func TestParseLabels(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		path, content string
		want          []string
	}{
		"list":               {"l.json", `["B","A"]`, []string{"B", "A"}},
		"class to name":      {"l.json", `{"1":"A","0":"B","2":"C"}`, []string{"B", "A", "C"}},
		"name to class":      {"l.json", `{"A":1,"B":0}`, []string{"B", "A"}},
		"name, a number":     {"l.json", `{"7":1,"B":0}`, []string{"B", "7"}},
		"eleven":             {"l.json", `{"0":"a","1":"b","10":"k","2":"c","3":"d","4":"e","5":"f","6":"g","7":"h","8":"i","9":"j"}`, strings.Split("abcdefghijk", "")},
		"CSV of names":       {"l.csv", "B\n\"A, really\"\n", []string{"B", "A, really"}},
		"CSV with header":    {"l.CSV", "cell_type\nB\nA\n", []string{"B", "A"}},
		"CSV class, name":    {"l.csv", "1,A\n0,B\n", []string{"B", "A"}},
		"CSV name, class":    {"l.csv", "name,class\nA,1\nB,0\n", []string{"B", "A"}},
		"CSV number as name": {"l.csv", "0,7\n1,8\n", []string{"7", "8"}},
		"CSV numeric name":   {"l.csv", "7,1\nB,0\n", []string{"B", "7"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseLabels(tc.path, []byte(tc.content))
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
	for name, tc := range map[string]struct{ path, content, want string }{
		"empty":          {"l.json", "", "EOF"},
		"empty list":     {"l.json", "[]", "no labels"},
		"empty object":   {"l.json", "{}", "no labels"},
		"empty CSV":      {"l.csv", "", "no labels"},
		"numbers":        {"l.json", "[1]", "json"},
		"gap":            {"l.json", `{"0":"a","2":"b"}`, "class 1 is missing"},
		"no class":       {"l.json", `{"a":"b"}`, `class "a" of "b"`},
		"class fraction": {"l.json", `{"a":0.5}`, `class "0.5" of "a"`},
		"class huge":     {"l.json", `{"a":1e300}`, `class "1e300" of "a"`},
		"key twice":      {"l.json", `{"0":"a","0":"b"}`, `"0" stands there twice`},
		"class twice":    {"l.json", `{"a":0,"b":0}`, `class 0 is both "a" and "b"`},
		"nested":         {"l.json", `{"a":[]}`, "neither a name nor a class"},
		"name twice":     {"l.json", `["a","a"]`, `classes 0 and 1 are both named "a"`},
		"no name":        {"l.json", `["a",""]`, "class 1 has no name"},
		"three fields":   {"l.csv", "0,a,b\n", "line 1 has 3 fields"},
		"mixed fields":   {"l.csv", "0,a\nb\n", "line 2 has 1 fields"},
		"CSV quotes":     {"l.csv", "\"a\n", "l.csv: "},
		"CSV no class":   {"l.csv", "a,b\nc,d\n", `class "d" of "c"`},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			_, err := parseLabels(tc.path, []byte(tc.content))
			require.ErrorContains(t, err, tc.want)
		})
	}
	many := "[" + strings.TrimSuffix(strings.Repeat(`"x",`, maxLabels+1), ",") + "]"
	_, err := parseLabels("l.json", []byte(many))
	require.ErrorContains(t, err, "65537 labels")
}

func FuzzArgs(f *testing.F) {
	f.Add([]byte(`{"embsize":512,"nheads":8,"d_hid":512,"nlayers":12,"pad_value":-2,"input_emb_style":"continuous"}`))
	f.Add([]byte(`{"nheads":1e9}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer alloctest.Limit(t, alloctest.Most)()
		args, err := parseArgs("args.json", data)
		if err != nil {
			return
		}
		require.True(t, args.NHeads >= 1 && args.NHeads <= maxHeads)
		require.True(t, args.EmbSize >= 0 && args.EmbSize <= maxWidth && args.EmbSize%args.NHeads == 0)
		require.False(t, math.IsNaN(float64(args.PadValue)) || math.IsInf(float64(args.PadValue), 0))
	})
}

func FuzzVocab(f *testing.F) {
	f.Add([]byte(`{"B":1,"A":0,"<pad>":2}`))
	f.Add([]byte(`{"A":0,"A":0}`))
	f.Add([]byte("{ \"A\\u0042\" : 0,\n\t\"\u03bc\":1 , \"C\":2}\r\n"))
	f.Add([]byte(`{"A":01}`))
	f.Add([]byte(`{"A":2147483648,}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer alloctest.Limit(t, alloctest.Most)()
		if ids, plain := plainVocab(data); plain {
			want, err := anyVocab("vocab.json", data)
			require.NoError(t, err)
			require.Equal(t, want, ids)
		}
		v, err := parseVocab("vocab.json", data, "<pad>")
		if err != nil {
			return
		}
		for id := range v.Len() {
			got, ok := v.ID(v.Token(int32(id)))
			require.True(t, ok)
			require.EqualValues(t, id, got)
		}
		require.Equal(t, "<pad>", v.Token(v.Pad()))
		require.Equal(t, "<cls>", v.Token(v.CLS()))
	})
}

func FuzzLabels(f *testing.F) {
	f.Add(true, []byte("name,class\nA,1\nB,0\n"))
	f.Add(false, []byte(`{"1":"A","0":"B"}`))
	f.Add(false, []byte(`["A"]`))
	f.Fuzz(func(t *testing.T, csv bool, data []byte) {
		defer alloctest.Limit(t, alloctest.Most)()
		path := "l.json"
		if csv {
			path = "l.csv"
		}
		labels, err := parseLabels(path, data)
		if err != nil {
			return
		}
		require.NotEmpty(t, labels)
		slices.Sort(labels)
		require.Len(t, slices.Compact(slices.Clone(labels)), len(labels))
	})
}

// BenchmarkVocab reads a vocabulary of the whole-human model's size in the two
// ways.
func BenchmarkVocab(b *testing.B) {
	var text strings.Builder
	for i := range 60697 {
		fmt.Fprintf(&text, ",\n  \"GENE%d\": %d", i, i)
	}
	data := []byte("{" + strings.TrimPrefix(text.String(), ",") + "\n}")
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			_, ok := plainVocab(data)
			require.True(b, ok)
		}
	})
	b.Run("any", func(b *testing.B) {
		for b.Loop() {
			_, err := anyVocab("vocab.json", data)
			require.NoError(b, err)
		}
	})
}
