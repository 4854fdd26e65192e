package scgpt

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// upsert sets the search attributes that a request asked for. That it fails is no
// reason for the workflow to.
func (r *cellRun) upsert(ctx workflow.Context) {
	values := []temporal.SearchAttributeUpdate{api.PhaseAttribute.ValueSet(r.progress.Phase)}
	if p := r.state.Plan; p.Model != "" {
		values = append(values, api.ModelAttribute.ValueSet(p.Model), api.CellsAttribute.ValueSet(int64(p.NObs)))
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, values...); err != nil {
		workflow.GetLogger(ctx).Warn("search attributes are not set", "error", err)
	}
}
