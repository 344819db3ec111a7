package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/oci"
)

// treeFlags are those of tree.
type treeFlags struct {
	registry registryFlags
	timeout  time.Duration
}

func treeCommand(env cli.Environment) *cobra.Command {
	var f treeFlags
	cmd := &cobra.Command{
		Use:   "tree IMAGE...",
		Short: "Show what hangs on images in their registry",
		Long: `Lists bundles and whatever else hangs on each IMAGE, as the registry says. Nothing is
verified: 'hallmark verify' does that.`,
		Example: "  hallmark tree registry.example.com/app:v1 --recursive",
		Args:    cli.UsageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.tree(cmd.Context(), env, args)
		},
	}
	f.registry.add(cmd)
	cli.AddTimeout(cmd, &f.timeout, time.Minute)
	return cmd
}

func (f treeFlags) tree(ctx context.Context, env cli.Environment, args []string) error {
	registry, err := f.registry.registry(f.timeout)
	if err != nil {
		return err
	}
	for _, arg := range args {
		text := lookup.ImageName(arg)
		image, p := registry.Image(ctx, text, true)
		if p != nil {
			return p
		}
		platforms, p := f.registry.platforms(ctx, registry, image)
		if p != nil {
			return p
		}
		for _, one := range append([]oci.Image{image}, platforms...) {
			attached, err := registry.Client.Attachments(ctx, one)
			if err != nil {
				return lookup.RegistryError(text, err)
			}
			if err := f.show(env, one, attached); err != nil {
				return err
			}
		}
	}
	return nil
}

// hanging is an attachment for machines.
type hanging struct {
	Digest        string `json:"digest,omitempty"`
	Tag           string `json:"tag,omitempty"`
	Type          string `json:"type"`
	PredicateType string `json:"predicateType,omitempty"`
	Size          int64  `json:"size,omitempty"`
}

func (f treeFlags) show(env cli.Environment, image oci.Image, attached []oci.Attached) error {
	all := make([]hanging, 0, len(attached))
	for _, a := range attached {
		all = append(all, hanging(a))
	}
	if env.JSON {
		return env.PrintJSON(struct {
			Image    string    `json:"image"`
			Attached []hanging `json:"attached"`
		}{image.String(), all})
	}
	fmt.Fprintln(env.Stdout, verdict.Printable(image.String()))
	for _, a := range all {
		fmt.Fprintf(env.Stdout, "  %s  %s\n", verdict.Printable(cmp.Or(a.Digest, a.Tag)), verdict.Printable(cmp.Or(a.PredicateType, a.Type, "of no type")))
	}
	if len(all) == 0 {
		fmt.Fprintln(env.Stdout, "  nothing hangs on it")
	}
	return nil
}
