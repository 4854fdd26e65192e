package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
)

func (a *app) modelCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "model", Short: "Look at models and convert them", Args: noArgs, RunE: needsSubcommand}
	cmd.AddCommand(
		&cobra.Command{
			Use: "describe DIR", Short: "Show what a checkpoint holds", Args: oneArg("the folder of the model"),
			RunE: func(_ *cobra.Command, args []string) error { return a.describeModel(args[0]) },
		},
		&cobra.Command{
			Use: "convert DIR OUT", Short: "Convert a checkpoint to safetensors, which loads faster",
			Args: func(cmd *cobra.Command, args []string) error {
				if len(args) != 2 {
					return usagef("%s takes two arguments, the folder of the model and the folder to make", cmd.CommandPath())
				}
				return nil
			},
			RunE: func(_ *cobra.Command, args []string) error {
				if args[1] == "" {
					return usagef("the folder to make has no name")
				}
				err := checkpoint.Convert(args[0], args[1])
				if errors.Is(err, fs.ErrExist) {
					return retry.InvalidData.Errorf("%s is there already: choose another folder to make", args[1])
				}
				if err != nil {
					return err
				}
				return a.describeModel(args[1])
			},
		},
	)
	return cmd
}

func (a *app) describeModel(dir string) error {
	ck, err := checkpoint.Open(dir)
	if err != nil {
		return err
	}
	defer ck.Close()
	d := ck.Describe()
	if a.json {
		a.printJSON(d)
		return nil
	}
	fmt.Fprintf(a.stdout, "%s: %s\n", dir, d.Fingerprint)
	fmt.Fprintf(a.stdout, "size        %d layers, %d wide, %d heads, feed-forward %d; %d parameters\n", d.Args.NLayers, d.Args.EmbSize, d.Args.NHeads, d.Args.DHid, d.Parameters)
	fmt.Fprintf(a.stdout, "vocabulary  %d tokens\n", d.Vocab)
	fmt.Fprintf(a.stdout, "input       %s, %d bins; cell embedding %s\n", d.Args.InputEmbStyle, d.Args.NBins, d.Args.CellEmbStyle)
	fmt.Fprintf(a.stdout, "heads       %s\n", strings.Join(headsOf(d.Heads), ", "))
	if d.Args.Domains > 0 || d.Args.BatchLabels > 0 {
		fmt.Fprintf(a.stdout, "batches     %d domains of batch norm, %d batch labels\n", d.Args.Domains, d.Args.BatchLabels)
	}
	if len(d.Batches) > 0 {
		fmt.Fprintf(a.stdout, "domains     %s\n", strings.Join(d.Batches, ", "))
	}
	if len(d.Labels) > 0 {
		fmt.Fprintf(a.stdout, "classes     %s\n", strings.Join(d.Labels, ", "))
	}
	if len(d.Unknown) > 0 {
		fmt.Fprintf(a.stdout, "not used    %s\n", strings.Join(d.Unknown, ", "))
	}
	return nil
}

func headsOf(h checkpoint.Heads) []string {
	list := []string{}
	for _, head := range []struct {
		there bool
		name  string
	}{
		{h.Cls, "cell types"}, {h.Decoder, "expression"}, {h.DecoderZero, "zero probability"},
		{h.MVC, "expression from the cell"}, {h.MVCZero, "zero probability from the cell"}, {h.DAB, "batch discriminator"},
	} {
		if head.there {
			list = append(list, head.name)
		}
	}
	if len(list) == 0 {
		return []string{"none"}
	}
	return list
}
