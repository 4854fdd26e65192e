package scgpt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/seed-ab6af24b/troupe/agent/memo"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

// embedShard is the activity embed_shard. What is finished is known from the
// file, not from heartbeats: a file that is whole and matches is taken.
func (a *Agent) embedShard(ctx context.Context, req api.ShardRequest) (api.Shard, error) {
	start := time.Now()
	b := newBeats(ctx)
	defer b.stop()
	j, err := a.planned(ctx, req.Plan, req.NoMemo)
	if err != nil {
		return api.Shard{}, err
	}
	result, err := a.shard(ctx, j, req.Index, b)
	if err != nil {
		return api.Shard{}, err
	}
	result.Seconds = time.Since(start).Seconds()
	return result, nil
}

// shard makes sure that a shard of the job's plan lies in its file: the one that
// is there, one that another analysis left, a remembered one, or else computed.
func (a *Agent) shard(ctx context.Context, j job, index int, b *beats) (api.Shard, error) {
	from, to := j.plan.Range(index)
	b.total.Store(int64(to - from))
	path, err := a.shardPath(*j.plan, index)
	if err != nil {
		return api.Shard{}, err
	}
	result := api.Shard{Index: index, Path: path, Cells: to - from, DeviceClass: j.eng.Class(), BatchTokens: j.eng.BatchTokens()}
	key := j.shardKey(from, to, j.eng.Class())
	if err := takeOver(path, key, !j.noMemo); err == nil {
		result.Reused = true
		return result, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		activity.GetLogger(ctx).Info("computing the shard anew", "reason", err)
	}
	_, result.FromMemo, err = memo.Do(ctx, j.memo, j.key(api.EmbedShard.Name(), j.eng.Class(), key), []string{path},
		func(ctx context.Context, files []string) (struct{}, error) {
			return struct{}{}, a.computeShard(ctx, j, key, b, files[0])
		})
	if err != nil {
		return api.Shard{}, err
	}
	result.BatchTokens = j.eng.BatchTokens()
	return result, nil
}

// computeShard embeds the cells of a shard and writes its file.
func (a *Agent) computeShard(ctx context.Context, j job, key shardKey, b *beats, path string) error {
	var emb *engine.Embeddings
	err := a.useDevice(ctx, b, func() error {
		cells, err := a.opened.open(j.eng, j.in, j.sum, j.opts)
		if err != nil {
			return err
		}
		defer func() { cells.release(ctx, err) }()
		start := time.Now()
		if emb, err = cells.Embed(ctx, key.From, key.To, b.progress); err != nil {
			return err
		}
		n := key.To - key.From
		a.speed.learn(j.eng.Cost(n, float64(emb.Tokens)/float64(n)), time.Since(start))
		return nil
	})
	if err != nil {
		return err
	}
	if err := storage.MakeFolder(path); err != nil {
		return err
	}
	return writeShard(path, key, emb)
}

// planned resolves what a plan names, and makes sure that model and input are
// those that it was made with.
func (a *Agent) planned(ctx context.Context, plan api.Plan, noMemo bool) (j job, err error) {
	j = job{data: plan.ExpressionData, plan: &plan, memo: a.memo, noMemo: noMemo}
	if noMemo {
		j.memo = nil
	}
	if j.eng, err = a.models.Load().get(plan.Model); err != nil {
		return j, err
	}
	if j.in, j.sum, err = a.data(ctx, plan.ExpressionData); err != nil {
		return j, err
	}
	if err := checkPlan(plan, j.eng, j.sum); err != nil {
		return j, err
	}
	j.opts, err = a.plannedOptions(ctx, j)
	return j, err
}

// plannedOptions are the options that the shards of the job's plan are computed
// with.
func (a *Agent) plannedOptions(ctx context.Context, j job) (engine.Options, error) {
	o := engineOptions(engine.Task(j.plan.Task), j.plan.Cells)
	if j.plan.Task != api.TaskIntegrate {
		return o, nil
	}
	o.BatchKey = j.plan.BatchKey
	choice, err := a.choice(ctx, j)
	if err != nil {
		return o, err
	}
	o.Genes = choice.Genes
	return o, nil
}

// shardsSuffix ends the name of the folder beside an output that holds the
// folders of shards, one for each analysis.
const shardsSuffix = ".shards"

// shardPath returns the path of a shard's file. A plan comes with a request and
// may name any folder: only one of the layout that plan_cells makes is taken.
func (a *Agent) shardPath(plan api.Plan, index int) (string, error) {
	return a.inShards(plan, fmt.Sprintf("%06d.shard", index))
}

// inShards returns the path of a file in the folder of a plan's shards.
func (a *Agent) inShards(plan api.Plan, name string) (string, error) {
	path, err := a.roots.Output(filepath.Join(plan.ShardDir, name))
	if err != nil {
		return "", err
	}
	if parent := filepath.Base(filepath.Dir(filepath.Dir(path))); parent == shardsSuffix || !strings.HasSuffix(parent, shardsSuffix) {
		return "", retry.InvalidData.Errorf("shard_dir is %q: want OUTPUT%s/ID", plan.ShardDir, shardsSuffix)
	}
	return path, nil
}

// takeOver makes sure that a whole and matching shard lies at path. One that an
// earlier analysis to the same output left behind is given that name too, unless
// only this analysis's own counts.
func takeOver(path string, key shardKey, others bool) error {
	_, _, err := readShard(path, key, false)
	if !errors.Is(err, fs.ErrNotExist) || !others {
		return err
	}
	beside := filepath.Dir(filepath.Dir(path))
	analyses, readErr := os.ReadDir(beside)
	if readErr != nil {
		return err
	}
	for _, other := range analyses {
		found := filepath.Join(beside, other.Name(), filepath.Base(path))
		if _, _, foundErr := readShard(found, key, false); foundErr != nil {
			continue
		}
		if mkErr := storage.MakeFolder(path); mkErr != nil {
			return mkErr
		}
		if os.Link(found, path) == nil {
			return nil
		}
	}
	return err
}

func (j job) shardKey(from, to int, class string) shardKey {
	return shardKey{
		From: from, To: to, Input: j.sum, Fingerprint: j.eng.Fingerprint(), DeviceClass: class,
		Options: j.opts, Version: Version,
	}
}

// readShards reads the files of all shards of the job's plan, in order, and the
// device classes that computed them. A finished one that is gone by then (an
// analysis may wait for a worker longer than Options.KeepShards), damaged, or a
// worker's of another version, is computed anew.
func (a *Agent) readShards(ctx context.Context, j job, b *beats) (*engine.Embeddings, []string, error) {
	plan := *j.plan
	if plan.Shards() == 0 {
		return nil, nil, retry.InvalidData.Errorf("plan of %d cells in shards of %d: want at least one shard", plan.NObs, plan.ShardCells)
	}
	var runs []*engine.Embeddings
	var classes []string
	for i := range plan.Shards() {
		if err := ctx.Err(); err != nil {
			return nil, nil, context.Cause(ctx)
		}
		from, to := plan.Range(i)
		path, err := a.shardPath(plan, i)
		if err != nil {
			return nil, nil, err
		}
		want := j.shardKey(from, to, "")
		e, class, err := readShard(path, want, true)
		if err != nil {
			activity.GetLogger(ctx).Warn("a finished shard is of no use any more: computing it anew", "reason", err)
			if _, err := a.shard(ctx, j, i, b); err != nil {
				return nil, nil, err
			}
			b.total.Store(0)
			b.done.Store(0)
			if e, class, err = readShard(path, want, true); err != nil {
				return nil, nil, errors.New(err.Error()) // without its class, which is a request's, and final
			}
		}
		runs = append(runs, e)
		if len(classes) == 0 || classes[len(classes)-1] != class {
			classes = append(classes, class)
		}
	}
	all, err := engine.Join(runs)
	return all, classes, err
}

// discardShards is the activity discard_shards. It removes the files that it
// can name and the folders that this leaves empty, nothing else: a plan in a
// request may name any folder below the roots.
func (a *Agent) discardShards(_ context.Context, plan api.Plan) (api.Discarded, error) {
	first, err := a.shardPath(plan, 0)
	if err != nil {
		return api.Discarded{}, err
	}
	n, err := removeShards(filepath.Dir(first))
	return api.Discarded{Files: n}, err
}

// removeShards removes the shard files in a folder, and counts them.
func removeShards(dir string) (n int, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !shardName.MatchString(e.Name()) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !os.IsNotExist(err) {
			return n, err
		}
		n++
	}
	// The folder above may hold the shards of other analyses.
	if os.Remove(dir) == nil {
		_ = os.Remove(filepath.Dir(dir))
	}
	return n, nil
}

// shardName matches what lies in a folder of shards: their files, the list of
// chosen genes, and what a killed worker was writing.
var shardName = regexp.MustCompile(`^(\.troupe-[0-9A-Za-z]+-)?([0-9]{6,}\.shard|genes\.json)(\.[0-9]+\.tmp)?$`)
