package api_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

var update = flag.Bool("update", false, "write testdata/contract.json anew")

// The names of JSON fields, of activities and of workflows are what programs in
// other languages and recorded histories hold. testdata/contract.json has them all,
// every field filled in; it is written by go test -update, and a change in it is one
// that callers see.
func TestContract(t *testing.T) {
	contract := map[string]any{
		"task_queue": api.Domain.TaskQueue,
		"activities": []string{
			api.PlanCells.Name(), api.EmbedShard.Name(), api.AnnotateCellTypes.Name(), api.EmbedCells.Name(), api.IntegrateBatches.Name(),
			api.GetGeneEmbeddings.Name(), api.ClusterCells.Name(), api.NameCells.Name(), api.DiscardShards.Name(),
		},
		"workflows": []string{
			api.Analysis.Name(), api.Annotation.Name(), api.Integration.Name(), api.CellEmbedding.Name(), api.GeneEmbedding.Name(),
		},
	}
	for _, v := range []any{
		new(api.AnalysisWorkflowRequest), new(api.AnalysisWorkflowResult),
		new(api.AnnotationRequest), new(api.AnnotationResponse),
		new(api.BatchIntegrationRequest), new(api.BatchIntegrationResponse),
		new(api.EmbeddingRequest), new(api.EmbeddingResponse),
		new(api.CellEmbeddingRequest), new(api.CellEmbeddingResponse),
		new(api.PlanRequest), new(api.Plan), new(api.ShardRequest), new(api.Shard), new(api.Discarded),
		new(api.ClusterRequest), new(api.ClusterResponse), new(api.NameCellsRequest), new(api.NamedCells),
		new(api.Progress), new(api.Beat), new(api.WorkflowStatus), new(api.WorkflowResult),
	} {
		value := reflect.ValueOf(v).Elem()
		fill(value, 0)
		contract[value.Type().Name()] = v
	}
	got, err := json.MarshalIndent(contract, "", "  ")
	require.NoError(t, err)
	path := filepath.Join("testdata", "contract.json")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, append(got, '\n'), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got)+"\n")
}

// fill sets every exported field to something that is not its zero value.
func fill(v reflect.Value, depth int) {
	if depth > 8 {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), depth+1)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth+1)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, depth+1)
		fill(value, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(0.5)
	default:
		panic("no value for " + v.Type().String())
	}
}
