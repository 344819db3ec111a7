package main

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/oci/layout"
	"github.com/hallmark-sign/hallmark/oci/transfer"
)

func loadCommand(env cli.Environment) *cobra.Command {
	var f carryFlags
	var image string
	cmd := &cobra.Command{
		Use:   "load DIR|FILE.tar|BUNDLES TARGET",
		Short: "Put a saved image into a registry, or bundles on an image",
		Long: `Puts an image out of DIR, an OCI image layout that 'hallmark save' or another tool has
written, or a .tar of one, into a registry as TARGET, with everything that hangs on it.
If DIR has several, --image says which.

Of a file of bundles, as 'hallmark download' writes them, each is put on the image TARGET, whose
digest it must name; those that are there already are left alone. Where sign could not
reach the registry it is the rest of it.
Nothing is verified here.`,
		Example: `  hallmark load release/ mirror.example.com/app:v1 --image registry.example.com/app:v1
  hallmark load app.tar mirror.example.com/app:v1
  hallmark load app` + verdict.LinesSuffix + ` mirror.example.com/app:v1`,
		Args: cli.UsageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			target := lookup.ImageName(args[1])
			if lookup.HoldsBundles(args[0]) {
				return f.loadBundles(cmd.Context(), env, args[0], target)
			}
			return f.load(cmd.Context(), env, args[0], image, target)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&image, "image", "", "`IMAGE` out of several: the name it was saved under, its tag or its digest")
	return cmd
}

func (f carryFlags) load(ctx context.Context, env cli.Environment, dir, image, target string) error {
	r, err := f.registry.registry(f.timeout)
	if err != nil {
		return err
	}
	from, err := layout.Open(ctx, dir)
	if errors.Is(err, context.Canceled) {
		return verdict.Interrupted(dir)
	}
	if err != nil {
		return verdict.Unreadable(dir, err)
	}
	defer from.Close()
	chosen, err := from.Choose(image)
	if err != nil {
		return &verdict.Problem{Exit: verdict.ExitUsage, Subject: dir, Code: "usage", Err: err, Try: "--image IMAGE"}
	}
	job := transfer.Job{From: from, Image: oci.Descriptor{MediaType: chosen.MediaType, Size: chosen.Size, Digest: chosen.Digest}}
	to, err := f.to(ctx, r, &job, target)
	if err != nil {
		return err
	}
	job.To = to
	return f.run(ctx, env, dir, target, job)
}

// loadBundles puts bundles on an image. Either all of them name it, or none is put.
func (f carryFlags) loadBundles(ctx context.Context, env cli.Environment, file, target string) error {
	r, err := f.registry.registry(f.timeout)
	if err != nil {
		return err
	}
	image, p := r.Image(ctx, target, true)
	if p != nil {
		return p
	}
	all, err := lookup.Attachments(file, image)
	if err != nil {
		return err
	}
	there, err := r.Client.Bundles(ctx, image)
	if err != nil {
		return lookup.RegistryError(target, err)
	}
	for _, a := range all {
		if i := slices.IndexFunc(there, func(f oci.Signature) bool { return bytes.Equal(f.Bundle, a.Bundle) }); i >= 0 {
			if err := tellLoaded(env, loadedBundle{file, image.String(), image.Repository + "@" + there[i].Manifest, false}); err != nil {
				return err
			}
			continue
		}
		manifest, err := r.Client.Attach(ctx, image, a)
		if err != nil {
			return lookup.RegistryError(target, err)
		}
		if err := tellLoaded(env, loadedBundle{file, image.String(), image.Repository + "@" + manifest, true}); err != nil {
			return err
		}
	}
	return nil
}

// loadedBundle is a bundle that is on an image now, for machines.
type loadedBundle struct {
	File   string `json:"file"`
	Image  string `json:"image"`
	Bundle string `json:"bundle"`
	New    bool   `json:"new"` // it was not there before
}

func tellLoaded(env cli.Environment, b loadedBundle) error {
	switch {
	case env.JSON:
		return env.PrintJSON(b)
	case !b.New:
		env.Say("%s: is on %s already", b.File, b.Image)
		return nil
	}
	env.Say("%s: put on %s\n  bundle    %s", b.File, b.Image, b.Bundle)
	return nil
}
