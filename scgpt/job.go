package scgpt

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"go.temporal.io/sdk/activity"

	"github.com/seed-ab6af24b/troupe/agent/memo"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/reference"
	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

// query is what a request says about the cells of a file.
type query struct {
	task                        string
	data, model, reference, out string
	cells                       api.CellOptions
	neighbors                   int // that vote, with a reference
	batchKey                    string
	plan                        *api.Plan
	suffix                      string // of the default output, with the dot
	noMemo                      bool
	// planning is true for plan_cells, which checks what the user asked for.
	planning bool
}

// job is a query with everything that it names found and checked.
type job struct {
	eng *engine.Engine
	ref *reference.Reference // nil without one
	// in is the file, data how the request calls it, sum its SHA-256.
	in, data, sum string
	out           string
	opts          engine.Options
	plan          *api.Plan // nil where the activity embeds the cells itself
	memo          *memo.Store
	noMemo        bool // nothing that is there of earlier requests is taken
}

// resolve finds and checks what a request names, before anything is computed.
func (a *Agent) resolve(ctx context.Context, q query) (j job, err error) {
	j.data, j.plan, j.memo, j.noMemo = q.data, q.plan, a.memo, q.noMemo
	if q.noMemo {
		j.memo = nil
	}
	if q.plan != nil {
		q.model, q.batchKey = q.plan.Model, q.plan.BatchKey
	}
	if j.eng, err = a.models.Load().get(q.model); err != nil {
		return j, err
	}
	task := engine.Task(q.task)
	if q.reference != "" {
		if j.ref, err = a.references.get(ctx, q.reference, j.eng); err != nil {
			return j, err
		}
		task = engine.Embed
	} else if task == engine.Annotate {
		if err := canLabel(j.eng); err != nil {
			return j, err
		}
	}
	if j.opts = engineOptions(task, q.cells); j.ref != nil {
		if j.opts, err = j.ref.QueryOptions(j.opts); err != nil {
			return j, err
		}
		if err := j.ref.CheckNeighbors(q.neighbors); err != nil {
			return j, err
		}
	}
	if task == engine.Integrate {
		j.opts.BatchKey = q.batchKey
	}
	// Requests that say the same are one to the memo.
	j.opts = j.opts.WithDefaults()
	if j.in, err = a.roots.InputOrFolder(q.data); err != nil {
		return j, err
	}
	if j.out, err = a.output(ctx, q, j.in); err != nil {
		return j, err
	}
	if j.in, j.sum, err = a.data(ctx, q.data); err != nil {
		return j, err
	}
	if q.plan == nil {
		return j, nil
	}
	if err := checkPlan(*q.plan, j.eng, j.sum); err != nil {
		return j, err
	}
	j.opts, err = a.plannedOptions(ctx, j)
	return j, err
}

// output resolves the path of the output and makes sure that it can be written.
func (a *Agent) output(ctx context.Context, q query, in string) (string, error) {
	path := q.out
	switch {
	case path == "":
		path = filepath.Join(a.opts.Out, defaultName(in)+q.suffix)
	case q.planning || q.plan == nil && !afterPlan(ctx): // what is planned goes on, whatever an older worker let pass
		if err := anndata.CheckName(path); err != nil {
			return "", retry.InvalidData.Errorf("out: %w", err)
		}
	}
	out, err := a.roots.Output(path)
	if err != nil {
		return "", err
	}
	if out == in {
		return "", retry.InvalidData.Errorf("%s: out is the input itself: choose another path", q.data)
	}
	return out, storage.CheckWritable(out)
}

// defaultName is what outputs of an input are called: its base name, and for one of
// Cell Ranger's fixed names, which all samples have, that of the sample's folder first.
func defaultName(in string) string {
	name := strings.TrimSuffix(filepath.Base(in), ".h5ad")
	if !strings.HasSuffix(strings.TrimSuffix(name, ".h5"), "_bc_matrix") {
		return name
	}
	dir := filepath.Dir(in)
	for slices.Contains([]string{"outs", "count"}, filepath.Base(dir)) {
		dir = filepath.Dir(dir)
	}
	if sample := filepath.Base(dir); sample != string(filepath.Separator) && sample != "." {
		name = sample + "." + name
	}
	return name
}

// afterPlan reports whether the activity is one of the agent's own workflows, which
// plan before anything else: with one shard, a request has no plan to tell by.
func afterPlan(ctx context.Context) bool {
	w := activity.GetInfo(ctx).WorkflowType
	return w != nil && slices.Contains([]string{
		api.Analysis.Name(), api.Annotation.Name(), api.Integration.Name(), api.CellEmbedding.Name(),
	}, w.Name)
}

// canLabel says both ways to get labels where there is neither.
func canLabel(eng *engine.Engine) error {
	if err := eng.CanLabel(); err != nil {
		return retry.InvalidData.Errorf("%w; or name a labelled reference in reference_dataset, whose labels are transferred", err)
	}
	return nil
}

// checkPlan makes sure that model and input are those that the plan was made
// with.
func checkPlan(plan api.Plan, eng *engine.Engine, sum string) error {
	if eng.Fingerprint() != plan.Fingerprint {
		return retry.InvalidData.Errorf("the model %s of this worker is %s, but the analysis was planned with %s: give all workers the same models", plan.Model, eng.Fingerprint(), plan.Fingerprint)
	}
	if sum != plan.Input {
		return retry.InvalidData.Errorf("%s has changed since the analysis began (SHA-256 %s, was %s): start it again", plan.ExpressionData, sum, plan.Input)
	}
	return nil
}

// key returns the memo key of a result of the job.
func (j job) key(activity, device string, params any) memo.Key {
	return memo.Key{
		Agent: api.Domain.Name, Activity: activity, Version: Version,
		Model: j.eng.Fingerprint(), Device: device, Input: j.sum, Params: params,
	}
}

// provenance says where a result comes from; method is empty where there is only one.
func (j job) provenance(device, method string) engine.Provenance {
	p := engine.Provenance{Agent: api.Domain.Name, Version: Version, Model: j.eng.Name(), Fingerprint: j.eng.Fingerprint(), Device: device, Method: method}
	if method == api.MethodReference {
		p.Reference, p.ReferenceFingerprint = j.ref.Name, j.ref.Fingerprint()
	}
	return p
}

// method is how the job labels cells.
func (j job) method() string {
	if j.ref != nil {
		return api.MethodReference
	}
	return api.MethodClassifier
}

// embedding is the embedding of all cells of a job.
type embedding struct {
	*engine.Embeddings
	// device names the classes that computed it.
	device string
}

// stored reads the embedding from the shard files of the job's plan. It is nil
// without a plan.
func (a *Agent) stored(ctx context.Context, j job, b *beats) (*embedding, error) {
	if j.plan == nil {
		return nil, nil
	}
	emb, classes, err := a.readShards(ctx, j, b)
	if err != nil {
		return nil, err
	}
	return &embedding{emb, deviceOf(classes)}, nil
}

// memoOf returns the class that a result of the job is stored under, and where.
// Results whose shards come from several classes are not stored: their bytes
// depend on which worker took which shard.
func (j job) memoOf(e *embedding) (device string, store *memo.Store) {
	switch {
	case e == nil:
		return j.eng.Class(), j.memo
	case strings.Contains(e.device, "+"):
		return e.device, nil
	default:
		return e.device, j.memo
	}
}

// deviceOf names the device classes of a result.
func deviceOf(classes []string) string {
	classes = slices.Clone(classes)
	slices.Sort(classes)
	return strings.Join(slices.Compact(classes), "+")
}

func engineOptions(task engine.Task, o api.CellOptions) engine.Options {
	return engine.Options{
		Task: task, Layer: o.Layer, GeneColumn: o.GeneColumn, MaxLength: o.MaxLength,
		Cap: o.Cap, Ties: o.Ties, Seed: o.Seed, MinGeneShare: o.MinGeneShare,
	}
}

// cellOptions is the way back: what a plan says about its cells.
func cellOptions(o engine.Options, labelColumn string) api.CellOptions {
	return api.CellOptions{
		Layer: o.Layer, GeneColumn: o.GeneColumn, MaxLength: o.MaxLength,
		Cap: o.Cap, Ties: o.Ties, Seed: o.Seed, MinGeneShare: o.MinGeneShare, LabelColumn: labelColumn,
	}
}

// geneMatch is what a response says about the genes of a file.
func geneMatch(cells *engine.Cells) api.GeneMatch {
	g := cells.GeneMatch()
	match := api.GeneMatch{
		Total: g.Total, Matched: g.Matched, Share: g.Share,
		UnmatchedCount: g.UnmatchedCount, Unmatched: g.Unmatched[:min(len(g.Unmatched), maxListedGenes)],
		DuplicateCount: g.DuplicateCount, MappedFromSymbols: g.MappedFromSymbols,
	}
	for _, d := range g.Duplicates[:min(len(g.Duplicates), maxListedGenes)] {
		match.Duplicates = append(match.Duplicates, d.Gene)
	}
	return match
}

// maxListedGenes bounds the lists of genes in a response.
const maxListedGenes = 20
