package foogpt

import (
	"context"
	"errors"
	"strings"

	"github.com/seed-ab6af24b/troupe/foogpt/api"
	"github.com/seed-ab6af24b/troupe/retry"
)

// nameClusters is name_clusters. The request is valid: the definition has
// checked it.
func (a *Agent) nameClusters(_ context.Context, req api.NameClustersRequest) (api.NameClustersResponse, error) {
	types := a.markers
	if types == nil {
		return api.NameClustersResponse{}, errors.New("foogpt has no markers: its Start was not called")
	}
	if req.Tissue != "" {
		if types = a.markers.in(req.Tissue); len(types) == 0 {
			return api.NameClustersResponse{}, retry.InvalidData.Errorf(
				"tissue = %q, but the markers are of %s; leave it empty to compare with all of them",
				req.Tissue, strings.Join(a.markers.tissues(), ", "))
		}
	}
	resp := api.NameClustersResponse{Method: api.MethodMarkers, Names: make([]api.ClusterName, len(req.Clusters))}
	for i, c := range req.Clusters {
		resp.Names[i] = types.name(c)
	}
	return resp, nil
}
