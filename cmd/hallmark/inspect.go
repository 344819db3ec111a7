// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/describe"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/images"
	"github.com/hallmark-sign/hallmark/internal/lookup"
)

func inspectCommand(env cli.Environment) *cobra.Command {
	var f images.Reach
	cmd := &cobra.Command{
		Use:   "inspect BUNDLE|FILE|IMAGE...",
		Short: "Tell in words what bundles claim",
		Long: `Prints what is in each BUNDLE, in the bundles beside each FILE, and in those on each IMAGE.
Nothing of it is verified: these are claims, of whoever wrote the file or put it there.`,
		Example: `  hallmark inspect release.tar.gz.sigstore.json
  hallmark inspect release.tar.gz                    # the bundles beside it
  hallmark inspect registry.example.com/app:v1`,
		Args: cli.UsageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			registry, err := f.Registry()
			if err != nil {
				return err
			}
			if args, err = f.Expand(cmd.Context(), registry, args); err != nil {
				return err
			}
			return inspect(cmd.Context(), env, registry, args)
		},
	}
	addRegistry(cmd, &f)
	cli.AddTimeout(cmd, &f.Timeout, time.Minute)
	return cmd
}

// inspect describes all that can be read, and then fails for the rest.
func inspect(ctx context.Context, env cli.Environment, registry *lookup.Registry, args []string) error {
	var failed fault.Failures
	for _, arg := range args {
		claims, err := registry.Claims(ctx, arg)
		if err != nil {
			failed = append(failed, err)
		}
		for _, c := range claims {
			if c.Err != nil {
				failed = append(failed, c.Err)
				continue
			}
			if err := tellClaim(env, c); err != nil {
				return err
			}
		}
	}
	return failed.OrNil()
}

func tellClaim(env cli.Environment, c lookup.Claim) error {
	a := describe.Claim(c)
	if env.JSON {
		return env.PrintJSON(describe.Bundle{Name: c.Name, Version: fmt.Sprintf("0.%d", c.Bundle.Version), Claims: a.Lines})
	}
	_, err := fmt.Fprint(env.Stdout, a.String())
	return err
}
