package foogpt

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/seed-ab6af24b/troupe/foogpt/api"
)

// answer is what the model is asked for. Pointers tell what is missing.
type answer struct {
	Names []struct {
		Cluster    *int     `json:"cluster"`
		Name       string   `json:"name"`
		Confidence *float64 `json:"confidence"`
		Evidence   []string `json:"evidence"`
	} `json:"names"`
}

// unusableError says what is wrong with an answer. Its text is of bounded
// length.
type unusableError struct{ text string }

func (e *unusableError) Error() string { return e.text }

func unusablef(format string, args ...any) error {
	return &unusableError{fmt.Sprintf(format, args...)}
}

// parseAnswer reads the names of the clusters, in their order, from the text
// that a model wrote. Every error is an unusableError.
func parseAnswer(text string, clusters []api.Cluster) ([]api.ClusterName, error) {
	var a answer
	if err := json.Unmarshal([]byte(object(text)), &a); err != nil {
		return nil, unusablef("the answer is not the JSON that was asked for: %s: %s", cut(err.Error()), quote(text))
	}
	names := make([]api.ClusterName, len(clusters))
	for i, n := range a.Names {
		what := fmt.Sprintf("names[%d]", i)
		name := strings.TrimSpace(n.Name)
		switch {
		case n.Cluster == nil:
			return nil, unusablef("%s.cluster is missing", what)
		case *n.Cluster < 0 || *n.Cluster >= len(clusters):
			return nil, unusablef("%s.cluster = %d, but the clusters are 0 to %d", what, *n.Cluster, len(clusters)-1)
		case names[*n.Cluster].Name != "":
			return nil, unusablef("%s.cluster = %d, which has a name already", what, *n.Cluster)
		case name == "":
			return nil, unusablef("%s.name is empty", what)
		case len(name) > api.MaxNameBytes || !printable(name):
			return nil, unusablef("%s.name = %s is not a name of at most %d bytes", what, quote(name), api.MaxNameBytes)
		case n.Confidence == nil:
			return nil, unusablef("%s.confidence is missing", what)
		case *n.Confidence < 0 || *n.Confidence > 1:
			return nil, unusablef("%s.confidence = %g is not from 0 to 1", what, *n.Confidence)
		}
		named := api.ClusterName{ID: clusters[*n.Cluster].ID, Name: name, Confidence: *n.Confidence}
		if strings.EqualFold(name, api.Unknown) {
			named.Name, named.Confidence, n.Evidence = api.Unknown, 0, nil
		}
		named.Evidence = evidence(clusters[*n.Cluster].Genes, n.Evidence)
		names[*n.Cluster] = named
	}
	if i := slices.IndexFunc(names, func(n api.ClusterName) bool { return n.Name == "" }); i >= 0 {
		return nil, unusablef("names has %d elements and none for the cluster %d", len(a.Names), i)
	}
	return names, nil
}

// evidence returns the genes of a cluster that the model named, best first: a
// gene that it made up is no evidence.
func evidence(genes, named []string) []string {
	found := []string{}
	for _, g := range genes {
		same := func(other string) bool { return strings.EqualFold(g, other) }
		if len(found) < maxEvidence && slices.ContainsFunc(named, same) && !slices.ContainsFunc(found, same) {
			found = append(found, g)
		}
	}
	return found
}

// object returns the JSON object in a text: servers without structured outputs
// put Markdown or a train of thought around it.
func object(text string) string {
	from, to := strings.IndexByte(text, '{'), strings.LastIndexByte(text, '}')
	if from < 0 || to < from {
		return text
	}
	return text[from : to+1]
}

func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// quote returns the beginning of what a server or a model wrote, for errors.
func quote(text string) string { return fmt.Sprintf("%q", cut(text)) }

func cut(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
