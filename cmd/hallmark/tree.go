// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/images"
)

func treeCommand(env cli.Environment) *cobra.Command {
	var f images.Reach
	cmd := &cobra.Command{
		Use:   "tree IMAGE...",
		Short: "Show what is attached to images in their registry",
		Long: `Lists bundles and whatever else hangs on each IMAGE, as the registry says. Nothing is
verified: 'hallmark verify' does that.`,
		Example: "  hallmark tree registry.example.com/app:v1 --recursive",
		Args:    cli.UsageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.Tree(cmd.Context(), env, args)
		},
	}
	addRegistry(cmd, &f)
	cli.AddTimeout(cmd, &f.Timeout, time.Minute)
	return cmd
}
