package api_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/foogpt/api"
)

func clusters(n int) []api.Cluster {
	c := make([]api.Cluster, n)
	for i := range c {
		c[i] = api.Cluster{ID: strconv.Itoa(i), Genes: []string{"CD3D"}}
	}
	return c
}

func one(id string, genes ...string) api.NameClustersRequest {
	return api.NameClustersRequest{Clusters: []api.Cluster{{ID: id, Genes: genes}}}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", api.MaxNameBytes+1)
	many := strings.Split(strings.Repeat("CD3D ", api.MaxGenesPerCluster), " ")
	cases := []struct {
		name string
		req  api.NameClustersRequest
		want string // the error, "" for none
	}{
		{"one", one("0", "CD3D"), ""},
		{"tissue", api.NameClustersRequest{Clusters: clusters(1), Tissue: "blood"}, ""},
		{"as many as may be", api.NameClustersRequest{Clusters: clusters(api.MaxClusters)}, ""},
		{"as many genes as may be", one("0", many[:api.MaxGenesPerCluster]...), ""},
		{"names as long as may be", one(long[1:], long[1:]), ""},
		{"none", api.NameClustersRequest{}, "clusters is empty: want at least one"},
		{"too many", api.NameClustersRequest{Clusters: clusters(501)},
			"clusters has 501 elements, more than 500: split the request"},
		{"no id", one("", "CD3D"), "clusters[0].id is empty"},
		{"long id", one(long, "CD3D"), "clusters[0].id has 101 bytes, more than 100"},
		{"space in id", one(" 0", "CD3D"), `clusters[0].id = " 0" begins or ends with white space`},
		{"id twice", api.NameClustersRequest{Clusters: append(clusters(3), clusters(2)[1])},
			`clusters[3].id = "1", which is the id of clusters[1] already`},
		{"no genes", one("0"), "clusters[0].genes is empty: want the cluster's marker genes, best first"},
		{"too many genes", one("0", append(many, "CD3E")...),
			"clusters[0].genes has 102 elements, more than 100: send the best only"},
		{"empty gene", one("0", "CD3D", ""), "clusters[0].genes[1] is empty"},
		{"space in gene", one("0", "CD3D\n"), `clusters[0].genes[0] = "CD3D\n" begins or ends with white space`},
		{"long gene", one("0", long), "clusters[0].genes[0] has 101 bytes, more than 100"},
		{"long tissue", api.NameClustersRequest{Clusters: clusters(1), Tissue: long}, "tissue has 101 bytes, more than 100"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if err := c.req.Validate(); c.want == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, c.want)
			}
		})
	}
}

// Clients in other languages rely on these names.
func TestJSON(t *testing.T) {
	t.Parallel()
	req, err := json.Marshal(api.NameClustersRequest{Clusters: []api.Cluster{{ID: "0", Genes: []string{"A"}}}, Tissue: "lung"})
	require.NoError(t, err)
	require.JSONEq(t, `{"clusters": [{"id": "0", "genes": ["A"]}], "tissue": "lung"}`, string(req))

	result, err := json.Marshal(api.NamingWorkflowResult{
		Status: api.StatusComplete,
		NameClustersResponse: api.NameClustersResponse{
			Method: api.MethodMarkers,
			Names:  []api.ClusterName{{ID: "0", Name: "B cell", Confidence: 0.5, Evidence: []string{"A"}, Source: "S"}},
		},
	})
	require.NoError(t, err)
	require.JSONEq(t, `{
		"status": "complete", "method": "markers",
		"names": [{"id": "0", "name": "B cell", "confidence": 0.5, "evidence": ["A"], "source": "S"}]
	}`, string(result))

	require.Equal(t, "name_clusters", api.NameClusters.Name())
	require.Equal(t, "FooGPTNamingWorkflow", api.Naming.Name())
	require.Equal(t, "foogpt-tasks", api.Domain.TaskQueue)
}
