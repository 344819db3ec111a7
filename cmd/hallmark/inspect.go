// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/describe"
	"github.com/hallmark-sign/hallmark/internal/images"
)

func inspectCommand(env cli.Environment) *cobra.Command {
	var f images.Reach
	cmd := &cobra.Command{
		Use:   "inspect BUNDLE|FILE|IMAGE...",
		Short: "Show what bundles claim",
		Long: `Prints what is in each BUNDLE, in the bundles beside each FILE, and in those on each IMAGE.
It verifies nothing: these are claims by the author of the file, who may be anyone.`,
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
			return describe.Bundles(cmd.Context(), env, registry, args)
		},
	}
	addRegistry(cmd, &f)
	cli.AddTimeout(cmd, &f.Timeout, time.Minute)
	return cmd
}
