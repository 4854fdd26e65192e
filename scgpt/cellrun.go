package scgpt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

const (
	// shardsPerRun is how many shards one run of a workflow sees to before
	// it continues as new, so that histories stay small: some 7 events each.
	shardsPerRun = 1000
	// defaultInFlight keeps eight workers of two slots each busy.
	defaultInFlight = 16
)

// cellRun is the state of one run of a workflow about the cells of a file: what
// all of them have in common.
type cellRun struct {
	data     string
	shards   api.ShardOptions
	noMemo   bool
	state    api.Resume
	progress api.Progress
	// attributes asks for search attributes.
	attributes bool
	// outcome is what was found, as lines of Markdown.
	outcome []string
}

// newCellRun begins a run, or goes on with the run before, and answers queries.
func newCellRun(ctx workflow.Context, data string, shards api.ShardOptions, noMemo bool, resume *api.Resume) (*cellRun, error) {
	r := &cellRun{data: data, shards: shards, noMemo: noMemo}
	if resume != nil {
		r.state = *resume
	} else {
		r.state.Started = workflow.Now(ctx).UnixMilli()
	}
	r.progress.Phase = api.PhasePlanning
	return r, answerQueries(ctx, &r.progress)
}

func answerQueries(ctx workflow.Context, p *api.Progress) error {
	if err := api.ProgressQuery.Handle(ctx, func() (api.Progress, error) { return *p, nil }); err != nil {
		return err
	}
	return api.StatusQuery.Handle(ctx, func() (string, error) { return p.Phase, nil })
}

// plan makes a plan, unless there is one of the run before.
func (r *cellRun) plan(ctx workflow.Context, req api.PlanRequest) error {
	if r.state.Plan.NObs == 0 && r.state.Plan.Input == "" {
		r.enter(ctx, api.PhasePlanning)
		req.ShardCells = r.shards.ShardCells
		plan, err := api.PlanCells.Execute(ctx, req, agent.Summary("plan "+r.data))
		if err != nil {
			return err
		}
		r.state.Plan = plan
	}
	p := r.state.Plan
	r.progress.ShardsTotal, r.progress.CellsTotal = p.Shards(), p.NObs
	r.progress.ShardsDone = r.state.Done
	r.progress.CellsDone = min(r.state.Done*p.ShardCells, p.NObs)
	r.progress.Estimate = &p.Estimate
	return nil
}

// embed computes the shards of the plan, if there is more than one. again tells
// that the workflow continues as new, with the state as it is then.
func (r *cellRun) embed(ctx workflow.Context) (again bool, err error) {
	if r.state.Plan.Shards() <= 1 {
		return false, nil
	}
	r.enter(ctx, api.PhaseEmbedding)
	if err := r.embedShards(ctx); err != nil {
		return false, err
	}
	return r.state.Done < r.state.Plan.Shards(), nil
}

// embedShards sees to the shards that are left, a bounded number at a time, up to
// shardsPerRun of them.
func (r *cellRun) embedShards(ctx workflow.Context) error {
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	plan := r.state.Plan
	last := min(r.state.Done+shardsPerRun, plan.Shards())
	next, pending := r.state.Done, 0
	inFlight := r.shards.MaxShardsInFlight
	if inFlight == 0 {
		inFlight = defaultInFlight
	}
	selector := workflow.NewSelector(ctx)
	var failed error
	for pending > 0 || failed == nil && next < last {
		for ; failed == nil && next < last && pending < inFlight; next++ {
			from, to := plan.Range(next)
			future := api.EmbedShard.ExecuteAsync(ctx, api.ShardRequest{Plan: plan, Index: next, NoMemo: r.noMemo},
				r.timeout(), agent.Summary(fmt.Sprintf("cells %d to %d", from, to-1)))
			pending++
			selector.AddFuture(future.Future, func(workflow.Future) {
				pending--
				shard, err := future.Get(ctx)
				switch {
				case err == nil:
					r.shardDone(ctx, shard)
				case failed == nil:
					// The others stop before the run goes on to
					// remove what they wrote.
					failed = err
					cancel()
				}
			})
		}
		selector.Select(ctx)
	}
	if failed == nil {
		r.state.Done = last
	}
	return failed
}

func (r *cellRun) shardDone(ctx workflow.Context, s api.Shard) {
	r.progress.ShardsDone++
	r.progress.CellsDone += s.Cells
	if s.Reused {
		r.state.Reused++
	}
	if s.FromMemo {
		r.state.FromMemo++
	}
	if !slices.Contains(r.state.DeviceClasses, s.DeviceClass) {
		r.state.DeviceClasses = append(r.state.DeviceClasses, s.DeviceClass)
	}
	if r.state.BatchTokens == 0 || s.BatchTokens < r.state.BatchTokens {
		r.state.BatchTokens = s.BatchTokens
	}
	r.describe(ctx)
}

// planned returns the plan for the activity that comes after the shards, nil
// where it computes the embeddings itself.
func (r *cellRun) planned() *api.Plan {
	if r.state.Plan.Shards() <= 1 {
		return nil
	}
	return &r.state.Plan
}

// timeout is the start-to-close timeout of the shards and of the activities that read
// and write all cells: time for that, beside that of the definition. A worker that
// meets the file in its first shard reads all of it, for its sum, and sorts a matrix
// that lies by genes.
func (r *cellRun) timeout() agent.ActivityOption { return agent.StartToClose(r.toWrite()) }

func (r *cellRun) toWrite() time.Duration {
	return 10*time.Minute + time.Duration(r.state.Plan.NObs)*perCellTimeout
}

// finishTimeout is that of the activity which finishes what the shards began: it
// computes them anew where they are lost by then, all of them at worst.
func (r *cellRun) finishTimeout() agent.ActivityOption {
	return agent.StartToClose(r.toWrite() + time.Duration(min(slowest*r.state.Plan.Estimate.Seconds, maxComputing.Seconds())*float64(time.Second)))
}

const (
	// slowest is how many times as long as on the worker that planned the same
	// work may take on another one.
	slowest = 5
	// maxComputing bounds what an estimate may ask for.
	maxComputing = 30 * 24 * time.Hour
)

// perCellTimeout is many times what the slowest of disks takes for a cell.
const perCellTimeout = 10 * time.Millisecond

// batchTokens is the smallest forward pass of the shards, or what the activity
// says where there were none.
func (r *cellRun) batchTokens(one int) int {
	if r.state.BatchTokens > 0 {
		return r.state.BatchTokens
	}
	return one
}

// finish is to be deferred: it removes the shard files once nothing will need
// them.
func (r *cellRun) finish(ctx workflow.Context, err *error) {
	if r.planned() != nil && isOver(*err) {
		discard(ctx, r.state.Plan)
	}
}

// isOver reports whether nothing will need the shard files again: the analysis
// is done, it was cancelled, or its input is at fault. After any other failure
// (a full disk, a lost machine) they stay, and an analysis of the same file to
// the same output takes them over. They stay for the next run of the workflow
// too.
func isOver(err error) bool {
	if err == nil || temporal.IsCanceledError(err) {
		return true
	}
	if workflow.IsContinueAsNewError(err) {
		return false
	}
	class, ok := retry.ClassOf(err)
	return ok && class.Final()
}

// discard removes the shard files, also after a failure or a cancellation. That
// files stay behind is logged by Temporal and no reason to fail.
func discard(ctx workflow.Context, plan api.Plan) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	if _, err := api.DiscardShards.Execute(ctx, plan, agent.Summary("remove the shard files")); err != nil {
		workflow.GetLogger(ctx).Warn("shard files stay behind", "folder", plan.ShardDir, "error", err)
	}
}

// enter begins a phase.
func (r *cellRun) enter(ctx workflow.Context, phase string) {
	r.progress.Phase = phase
	r.describe(ctx)
	if r.attributes {
		r.upsert(ctx)
	}
}

// allDone marks all cells as done.
func (r *cellRun) allDone() {
	r.progress.CellsDone, r.progress.ShardsDone = r.state.Plan.NObs, r.state.Plan.Shards()
}

// code shows a text that may hold anything as it is in Markdown.
func code(text string) string {
	return "`" + strings.Map(func(r rune) rune {
		if r == '`' || unicode.IsControl(r) {
			return '\''
		}
		return r
	}, text) + "`"
}

// listedTypes is how many cell types the outcome names.
const listedTypes = 12

// found tells what an annotation found, for people who look at the web UI.
func (r *cellRun) found(res api.AnnotationResponse) {
	types := slices.Clone(res.UniqueTypes)
	slices.SortFunc(types, func(a, b string) int {
		return cmp.Or(cmp.Compare(res.Counts[b], res.Counts[a]), cmp.Compare(a, b))
	})
	line := fmt.Sprintf("%d cell types, mean confidence %.3f: ", len(res.UniqueTypes), res.MeanConfidence)
	for i, t := range types[:min(len(types), listedTypes)] {
		if i > 0 {
			line += ", "
		}
		line += fmt.Sprintf("%s %d", code(t), res.Counts[t])
	}
	if left := len(types) - listedTypes; left > 0 {
		line += fmt.Sprintf(" and %d more", left)
	}
	if res.UnassignedCells > 0 {
		line += fmt.Sprintf("; %d cells unassigned", res.UnassignedCells)
	}
	r.outcome = append(r.outcome, line)
	if t := res.Truth; t != nil {
		line := fmt.Sprintf("Accuracy %.3f, macro F1 %.3f on %d cells with a true type", t.Accuracy, t.MacroF1, t.Cells)
		if b := res.Baseline; b != nil {
			line += fmt.Sprintf("; the baseline reaches %.3f and %.3f", b.Accuracy, b.MacroF1)
		}
		r.outcome = append(r.outcome, line)
	}
	if g := res.GeneMatch; g.Total > 0 {
		r.outcome = append(r.outcome, fmt.Sprintf("%d of %d genes are in the model's vocabulary", g.Matched, g.Total))
	}
	for _, path := range []string{res.Out, res.Report, res.CSV} {
		if path != "" {
			r.outcome = append(r.outcome, code(path))
		}
	}
}

// describe shows the run's state in the web UI, in Markdown.
func (r *cellRun) describe(ctx workflow.Context) {
	p := r.progress
	details := fmt.Sprintf("**%s** %s", p.Phase, code(r.data))
	if p.CellsTotal > 0 {
		details += fmt.Sprintf("\n\n%d of %d cells, %d of %d shards", p.CellsDone, p.CellsTotal, p.ShardsDone, max(p.ShardsTotal, 1))
	}
	if len(r.outcome) > 0 {
		details += "\n\n- " + strings.Join(r.outcome, "\n- ")
	}
	if e := p.Estimate; e != nil && p.Phase != api.PhaseDone {
		details += fmt.Sprintf("\n\nEstimate: %v on one worker, %.1f GB of memory each. Model %s.",
			(time.Duration(e.Seconds) * time.Second).Round(time.Second), float64(e.MemoryBytes)/1e9, r.state.Plan.Model)
	}
	workflow.SetCurrentDetails(ctx, details)
}
