package main

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/oci/layout"
	"github.com/hallmark-sign/hallmark/oci/transfer"
)

func saveCommand(env cli.Environment) *cobra.Command {
	var f carryFlags
	cmd := &cobra.Command{
		Use:   "save IMAGE... DIR",
		Short: "Keep images in a directory, with everything that hangs on them",
		Long: `Writes each IMAGE into DIR, an OCI image layout as other tools read it: every platform, and
all that hangs on any of them. DIR is made, or extended. 'hallmark load' puts what is in
it into a registry; digests, and with them all signatures, stay what they are. What is
there is not fetched: a save that was cut short goes on when it is begun again.

For a single file: tar -cf image.tar -C DIR . which 'hallmark load' takes as it is.`,
		Example: `  hallmark save registry.example.com/app:v1 registry.example.com/db:v7 release/
  hallmark save registry.example.com/app:v1 app/ && tar -cf app.tar -C app .`,
		Args: cli.UsageArgs(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.save(cmd.Context(), env, args[:len(args)-1], args[len(args)-1])
		},
	}
	f.add(cmd)
	return cmd
}

func (f carryFlags) save(ctx context.Context, env cli.Environment, images []string, dir string) error {
	r, err := f.registry.registry(f.timeout)
	if err != nil {
		return err
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() || strings.HasSuffix(dir, ".tar") {
		return &verdict.Problem{Exit: verdict.ExitUsage, Subject: dir, Code: "usage", Err: errors.New("images are saved into a directory"), Try: "tar -cf FILE.tar -C DIR . afterwards"}
	}
	var failed verdict.Failures
	for _, one := range images {
		if err := f.saveOne(ctx, env, r, lookup.ImageName(one), dir); err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return failed.OrNil()
}

func (f carryFlags) saveOne(ctx context.Context, env cli.Environment, r *lookup.Registry, source, dir string) error {
	from, p := lookup.ParseReference(source)
	if p != nil {
		return p
	}
	image, p := r.Image(ctx, source, true)
	if p != nil {
		return p
	}
	to, err := layout.Create(ctx, dir, from.Repository())
	if errors.Is(err, context.Canceled) {
		return verdict.Interrupted(dir)
	}
	if err != nil {
		return &verdict.Problem{Exit: verdict.ExitUsage, Subject: dir, Code: "unwritable", Err: err, Try: "another directory"}
	}
	defer to.Close()
	return f.run(ctx, env, source, dir, transfer.Job{From: r.Client.Repository(from), To: to, Image: image.Descriptor(), Tag: from.Tag()})
}
