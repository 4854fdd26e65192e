package scgpt

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed-ab6af24b/troupe/agent/memo"
)

// sweep removes what failed and killed work has left in the folder of outputs
// without a path of their own.
func (a *Agent) sweep(ctx context.Context) {
	if out, err := a.roots.Output(filepath.Join(a.opts.Out, "x")); err == nil {
		a.sweepBeside(ctx, out)
	}
}

// sweepBeside removes from the folder of an output what nobody will take over any
// more: shard files of analyses, and files that a killed process was writing, if
// nothing of the kind has changed for Options.KeepShards. A running analysis
// finishes a shard far more often; one that had no worker for so long computes its
// shards anew in the end (readShards).
func (a *Agent) sweepBeside(ctx context.Context, out string) {
	folder := filepath.Dir(out)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		switch {
		case ctx.Err() != nil:
			return
		case e.IsDir() && strings.HasSuffix(e.Name(), shardsSuffix):
			a.sweepShards(path)
		case e.Type().IsRegular() && strings.HasPrefix(e.Name(), memo.TemporaryPrefix) && a.isOld(path):
			a.swept(path, os.Remove(path))
		}
	}
}

// sweepShards removes the old ones of the folders of shards in a folder.
func (a *Agent) sweepShards(beside string) {
	analyses, err := os.ReadDir(beside)
	if err != nil {
		return
	}
	for _, e := range analyses {
		dir := filepath.Join(beside, e.Name())
		if !e.IsDir() || !a.isOld(dir) {
			continue
		}
		_, err := removeShards(dir)
		a.swept(dir, err)
	}
}

// isOld reports whether neither the file, nor anything in the folder, has changed
// lately.
func (a *Agent) isOld(path string) bool {
	newest := time.Time{}
	_ = filepath.WalkDir(path, func(_ string, e os.DirEntry, err error) error {
		if err != nil {
			newest = time.Now() // not to be judged
			return err
		}
		info, err := e.Info()
		if err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		return nil
	})
	return time.Since(newest) > a.opts.KeepShards
}

func (a *Agent) swept(path string, err error) {
	if err != nil {
		a.log.Warn("what failed work left behind stays", "path", path, "error", err)
		return
	}
	a.log.Info("removed what failed work left behind", "path", path)
}
