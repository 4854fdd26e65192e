package scgpt

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/seed-ab6af24b/troupe/agent/memo"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
	"github.com/seed-ab6af24b/troupe/scgpt/storage"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens/hvg"
)

const integratedSuffix = ".integrated.h5ad"

// integrationParams are what an integration depends on beside model, device and
// input.
type integrationParams struct {
	Options     engine.Options       `json:"options"`
	Choose      engine.ChooseOptions `json:"choose"`
	LabelColumn string               `json:"label_column,omitempty"`
}

// integrateBatches is the activity integrate_batches.
func (a *Agent) integrateBatches(ctx context.Context, req api.BatchIntegrationRequest) (api.BatchIntegrationResponse, error) {
	start := time.Now()
	b := newBeats(ctx)
	defer b.stop()
	req.BatchKey = cmp.Or(req.BatchKey, api.DefaultBatchKey)
	var none api.BatchIntegrationResponse
	j, err := a.resolve(ctx, query{
		task: api.TaskIntegrate, data: req.ExpressionData, model: req.Model, out: req.Out, suffix: integratedSuffix,
		cells: req.Cells, batchKey: req.BatchKey, plan: req.Plan, noMemo: req.NoMemo,
	})
	if err != nil {
		return none, err
	}
	emb, err := a.stored(ctx, j, b)
	if err != nil {
		return none, err
	}
	// The chosen genes follow from the rest: with and without a plan, the key
	// is the same.
	params := integrationParams{Options: j.opts, Choose: chooseOptions(req.NHVG, req.Flavor), LabelColumn: req.Cells.LabelColumn}
	params.Options.Genes = ""
	device, store := j.memoOf(emb)
	res, hit, err := memo.Do(ctx, store, j.key(api.IntegrateBatches.Name(), device, params), []string{j.out},
		func(ctx context.Context, files []string) (api.BatchIntegrationResponse, error) {
			return a.integrate(ctx, j, req, emb, b, files[0])
		})
	if err != nil {
		return none, err
	}
	res.Out, res.FromMemo, res.Seconds = j.out, hit, time.Since(start).Seconds()
	res.Accelerator = a.accelerator()
	return res, nil
}

func chooseOptions(n int, flavor string) engine.ChooseOptions {
	return engine.ChooseOptions{N: cmp.Or(n, engine.DefaultChosenGenes), Flavor: hvg.Flavor(flavor)}
}

// integrate embeds the cells, unless emb is there, measures how batches mix before
// and after, and writes a copy of the file with the embeddings.
func (a *Agent) integrate(ctx context.Context, j job, req api.BatchIntegrationRequest, emb *embedding, b *beats, out string) (api.BatchIntegrationResponse, error) {
	var none api.BatchIntegrationResponse
	cells, choice, emb, err := a.integrated(ctx, j, req, emb, b)
	if err != nil {
		return none, err
	}
	defer cells.Close()
	truth, err := cells.Truth(req.Cells.LabelColumn, nil)
	if err != nil {
		return none, err
	}
	batches := cells.Batches()
	res := api.BatchIntegrationResponse{
		Cells: cells.Len(), BatchKey: j.opts.BatchKey, Batches: countOf(batches.Of()), Domains: batches.Domains != nil,
		Genes: choice.Genes.Len(), Candidates: choice.Candidates, Flavor: string(choice.Flavor), Warnings: choice.Warnings,
		Dim: emb.Dim, EmptyCells: len(emb.Empty), Tokens: emb.Tokens, GeneMatch: geneMatch(cells),
		Model: j.eng.Name(), Fingerprint: j.eng.Fingerprint(), Device: emb.device, Precision: engine.PrecisionOf(emb.device),
		BatchTokens: j.eng.BatchTokens(),
	}
	before, err := cells.Principal(ctx, a.opts.Threads)
	if err != nil {
		return none, err
	}
	for _, m := range []struct {
		x    neighbors.Matrix
		into *api.IntegrationMetrics
	}{{before, &res.Before}, {emb.Matrix(), &res.After}} {
		var warnings []string
		if *m.into, warnings, err = a.measure(ctx, m.x, batches.Of(), truth); err != nil {
			return none, fmt.Errorf("%s: %w", req.ExpressionData, err)
		}
		for _, w := range warnings {
			if !slices.Contains(res.Warnings, w) {
				res.Warnings = append(res.Warnings, w)
			}
		}
	}
	replaced, err := cells.Replaced(ctx, false)
	if err != nil {
		return none, err
	}
	res.Warnings = append(res.Warnings, replaced...)
	if err := storage.MakeFolder(out); err != nil {
		return none, err
	}
	from := j.provenance(emb.device, api.MethodIntegration)
	from.BatchKey = req.BatchKey
	return res, cells.WriteEmbedded(ctx, out, emb.Embeddings, from)
}

// integrated returns the open file, the chosen genes and the embedding by them,
// all of which may have been made before.
func (a *Agent) integrated(ctx context.Context, j job, req api.BatchIntegrationRequest, emb *embedding, b *beats) (_ *engine.Cells, choice *engine.GeneChoice, _ *embedding, err error) {
	var cells *engine.Cells
	open := func() error {
		cells, choice, err = j.eng.OpenIntegration(ctx, j.in, j.opts, chooseOptions(req.NHVG, req.Flavor))
		return err
	}
	defer func() {
		if err != nil && cells != nil {
			_ = cells.Close()
		}
	}()
	if emb != nil {
		if err = open(); err == nil {
			choice, err = a.choice(ctx, j)
		}
		return cells, choice, emb, err
	}
	err = a.useDevice(ctx, b, func() error {
		if err := open(); err != nil {
			return err
		}
		b.total.Store(int64(cells.Len()))
		computed, err := cells.Embed(ctx, 0, cells.Len(), b.progress)
		emb = &embedding{computed, j.eng.Class()}
		return err
	})
	return cells, choice, emb, err
}

func (a *Agent) measure(ctx context.Context, x neighbors.Matrix, batches []string, truth *engine.Truth) (api.IntegrationMetrics, []string, error) {
	var types []string
	if truth != nil {
		types = truth.Types
	}
	m, err := engine.Measure(ctx, x, batches, types, a.opts.Threads)
	if err != nil {
		return api.IntegrationMetrics{}, nil, err
	}
	res := api.IntegrationMetrics{Cells: m.Cells}
	if b := m.Batch; b != nil {
		res.BatchASW, res.GraphConnectivity, res.AvgBATCH = &b.ASW, &b.Connectivity, &b.Avg
	}
	if m.Types != nil {
		res.Labels = &api.LabelMetrics{Column: truth.Column, NMI: m.Types.NMI, ARI: m.Types.ARI, ASW: m.Types.ASW, AvgBIO: m.Types.Avg}
	}
	return res, m.Warnings, nil
}

func countOf(names []string) map[string]int {
	counts := map[string]int{}
	for _, n := range names {
		counts[n]++
	}
	return counts
}

// choiceName is the file of the chosen genes among the shards of an integration.
// They are too many to travel with every shard.
const choiceName = "genes.json"

// maxChoice bounds that file.
const maxChoice = 1 << 20

// writeChoice writes the chosen genes to the folder of shards, and returns the sum
// of the file.
func (a *Agent) writeChoice(plan api.Plan, choice *engine.GeneChoice) (string, error) {
	path, err := a.inShards(plan, choiceName)
	if err != nil {
		return "", err
	}
	data, sum, err := choiceFile(choice)
	if err != nil {
		return "", err
	}
	if err := storage.MakeFolder(path); err != nil {
		return "", err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), choiceName+".*.tmp")
	if err != nil {
		return "", err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(tmp.Name()))
	}
	return sum, nil
}

// choiceFile is the content of the file, and its sum.
func choiceFile(choice *engine.GeneChoice) (data []byte, sum string, err error) {
	data, err = json.Marshal(choice)
	return data, sumOf(data), err
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// choice returns the chosen genes of the job's plan. Where the file is lost or
// damaged, they are chosen again: the same, by the plan's sum.
func (a *Agent) choice(ctx context.Context, j job) (*engine.GeneChoice, error) {
	path, err := a.inShards(*j.plan, choiceName)
	if err != nil {
		return nil, err
	}
	choice, readErr := readChoice(path, j.plan.Genes)
	if readErr == nil {
		return choice, nil
	}
	activity.GetLogger(ctx).Warn("the list of chosen genes is of no use any more: choosing them anew", "reason", readErr)
	o := engineOptions(engine.Integrate, j.plan.Cells)
	o.BatchKey = j.plan.BatchKey
	cells, choice, err := j.eng.OpenIntegration(ctx, j.in, o, chooseOptions(j.plan.NHVG, j.plan.Flavor))
	if err != nil {
		return nil, err
	}
	defer cells.Close()
	_, sum, err := choiceFile(choice)
	if err != nil {
		return nil, err
	}
	if sum != j.plan.Genes {
		return nil, retry.InvalidData.Errorf("%w; chosen anew the genes are others (SHA-256 %s): start the integration again", readErr, sum)
	}
	_, err = a.writeChoice(*j.plan, choice)
	return choice, err
}

// readChoice reads the file of chosen genes that has the sum.
func readChoice(path, want string) (*engine.GeneChoice, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxChoice+1))
	if err != nil {
		return nil, err
	}
	if sum := sumOf(data); sum != want {
		return nil, fmt.Errorf("%s: the SHA-256 is %s, want that of the plan, %s", path, sum, want)
	}
	choice := &engine.GeneChoice{}
	if err := json.Unmarshal(data, choice); err != nil {
		return nil, fmt.Errorf("%s: no list of genes: %w", path, err)
	}
	return choice, nil
}
