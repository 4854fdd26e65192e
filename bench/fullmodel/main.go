// Command fullmodel writes a model of the size of the published whole-human one,
// 51 million parameters in 205 MB, with random weights, to measure with. Its
// vocabulary begins with the genes of the sample model, so that the sample cells
// fit; it has a classifier head of ten types, whose labels mean nothing.
//
//	go run ./bench/fullmodel /tmp/models/full
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/checkpointtest"
)

// tokens is the number in the published vocabulary.
const tokens = 60697

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "fullmodel: want one argument, the folder to write")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "fullmodel:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	genes, err := sampleGenes()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	m := checkpointtest.FullSize(tokens)
	m.Genes, m.Classes = genes, 10
	return m.Write(dir)
}

// sampleGenes are those of the sample model, which is found from the root of a
// clone.
func sampleGenes() ([]string, error) {
	ck, err := checkpoint.Open(filepath.Join("testdata", "models", "tiny_scgpt"))
	if err != nil {
		return nil, fmt.Errorf("run it from the root of a clone: %w", err)
	}
	defer ck.Close()
	var genes []string
	for id := range ck.Vocab().Len() {
		if gene := ck.Vocab().Token(int32(id)); !strings.HasPrefix(gene, "<") {
			genes = append(genes, gene)
		}
	}
	slices.Sort(genes)
	return genes, nil
}
