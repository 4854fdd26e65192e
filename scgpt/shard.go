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
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

// embedShard is the activity embed_shard. What is finished is known from the
// file, not from heartbeats: a file that is whole and matches is taken.
func (a *Agent) embedShard(ctx context.Context, req api.ShardRequest) (api.Shard, error) {
	start := time.Now()
	plan := req.Plan
	from, to := plan.Range(req.Index)
	var done atomic.Int64
	stop := agent.KeepAlive(ctx, func() api.Beat { return api.Beat{Done: int(done.Load()), Total: to - from} })
	defer stop()

	eng, in, err := a.planned(ctx, plan)
	if err != nil {
		return api.Shard{}, err
	}
	path, err := a.shardPath(plan, req.Index)
	if err != nil {
		return api.Shard{}, err
	}
	result := api.Shard{Index: req.Index, Path: path, Cells: to - from, DeviceClass: eng.Class()}
	key := shardKeyOf(plan, from, to, eng.Class())
	if err := takeOver(path, key); err == nil {
		result.Reused = true
		result.Seconds = time.Since(start).Seconds()
		return result, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		activity.GetLogger(ctx).Info("computing the shard anew", "reason", err)
	}

	cells, err := a.opened.open(eng, in, plan.Input, key.Options)
	if err != nil {
		return api.Shard{}, err
	}
	defer cells.release()
	var emb *engine.Embeddings
	err = a.useDevice(ctx, func() (err error) {
		emb, err = cells.Embed(ctx, from, to, func(n int) { done.Store(int64(n)) })
		return err
	})
	if err != nil {
		return api.Shard{}, err
	}
	if err := storage.MakeFolder(path); err != nil {
		return api.Shard{}, err
	}
	if err := writeShard(path, key, emb); err != nil {
		return api.Shard{}, err
	}
	result.Seconds = time.Since(start).Seconds()
	return result, nil
}

// planned opens the model of a plan and makes sure that model and input are
// those that the plan was made with.
func (a *Agent) planned(ctx context.Context, plan api.Plan) (*engine.Engine, string, error) {
	eng, err := a.model(plan.Model)
	if err != nil {
		return nil, "", err
	}
	if eng.Fingerprint() != plan.Fingerprint {
		return nil, "", retry.InvalidData.Errorf("the model %s of this worker is %s, but the analysis was planned with %s: give all workers the same models", plan.Model, eng.Fingerprint(), plan.Fingerprint)
	}
	in, err := a.roots.Input(plan.ExpressionData)
	if err != nil {
		return nil, "", err
	}
	sum, err := a.inputs.sum(ctx, in)
	if err != nil {
		return nil, "", err
	}
	if sum != plan.Input {
		return nil, "", retry.InvalidData.Errorf("%s has changed since the analysis began (SHA-256 %s, was %s): start it again", plan.ExpressionData, sum, plan.Input)
	}
	return eng, in, nil
}

// shardsSuffix ends the name of the folder beside an output that holds the
// folders of shards, one for each analysis.
const shardsSuffix = ".shards"

// shardPath returns the path of a shard's file. A plan comes with a request and
// may name any folder: only one of the layout that plan_cells makes is taken.
func (a *Agent) shardPath(plan api.Plan, index int) (string, error) {
	path, err := a.roots.Output(filepath.Join(plan.ShardDir, fmt.Sprintf("%06d.shard", index)))
	if err != nil {
		return "", err
	}
	if parent := filepath.Base(filepath.Dir(filepath.Dir(path))); parent == shardsSuffix || !strings.HasSuffix(parent, shardsSuffix) {
		return "", retry.InvalidData.Errorf("shard_dir is %q: want OUTPUT%s/ID", plan.ShardDir, shardsSuffix)
	}
	return path, nil
}

// takeOver makes sure that a whole and matching shard lies at path. One that an
// earlier analysis to the same output left behind is given that name too.
func takeOver(path string, key shardKey) error {
	_, _, err := readShard(path, key, false)
	if !errors.Is(err, fs.ErrNotExist) {
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

func shardKeyOf(plan api.Plan, from, to int, class string) shardKey {
	return shardKey{
		From: from, To: to, Input: plan.Input, Fingerprint: plan.Fingerprint, DeviceClass: class,
		Options: engineOptions(engine.Annotate, plan.Cells), Version: Version,
	}
}

// readShards reads the files of all shards of a plan, in order, and the
// device classes that computed them.
func (a *Agent) readShards(ctx context.Context, plan api.Plan) (*engine.Embeddings, []string, error) {
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
		e, class, err := readShard(path, shardKeyOf(plan, from, to, ""), true)
		if errors.Is(err, errShardMismatch) {
			err = retry.InvalidData.Wrap(err)
		}
		if err != nil {
			return nil, nil, err
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
func (a *Agent) discardShards(ctx context.Context, plan api.Plan) (api.Discarded, error) {
	first, err := a.shardPath(plan, 0)
	if err != nil {
		return api.Discarded{}, err
	}
	dir := filepath.Dir(first)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return api.Discarded{}, nil
	}
	if err != nil {
		return api.Discarded{}, err
	}
	var d api.Discarded
	for _, e := range entries {
		if !e.Type().IsRegular() || !shardName.MatchString(e.Name()) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !os.IsNotExist(err) {
			return d, err
		}
		d.Files++
	}
	// The folder above may hold the shards of other analyses.
	if os.Remove(dir) == nil {
		_ = os.Remove(filepath.Dir(dir))
	}
	return d, nil
}

// shardName matches shard files, also those that a killed worker was writing.
var shardName = regexp.MustCompile(`^[0-9]{6,}\.shard(\.[0-9]+\.tmp)?$`)
