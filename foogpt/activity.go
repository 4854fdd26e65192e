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
func (a *Agent) nameClusters(ctx context.Context, req api.NameClustersRequest) (api.NameClustersResponse, error) {
	switch {
	case a.chat != nil:
		return a.chat.name(ctx, req)
	case a.markers != nil:
		return a.markers.nameAll(req)
	default:
		return api.NameClustersResponse{}, errors.New("foogpt names nothing yet: its Start was not called")
	}
}

// nameAll names the clusters of a request.
func (m markerTable) nameAll(req api.NameClustersRequest) (api.NameClustersResponse, error) {
	types := m
	if req.Tissue != "" {
		if types = m.in(req.Tissue); len(types) == 0 {
			return api.NameClustersResponse{}, retry.InvalidData.Errorf(
				"tissue = %q, but the markers are of %s; leave it empty to compare with all of them",
				req.Tissue, strings.Join(m.tissues(), ", "))
		}
	}
	resp := api.NameClustersResponse{Method: api.MethodMarkers, Names: make([]api.ClusterName, len(req.Clusters))}
	for i, c := range req.Clusters {
		resp.Names[i] = types.name(c)
	}
	return resp, nil
}
