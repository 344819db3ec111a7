// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/images"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/policy"
)

func downloadCommand(env cli.Environment) *cobra.Command {
	var f images.Download
	cmd := &cobra.Command{
		Use:   "download IMAGE",
		Short: "Write the bundles that hang on an image into a file",
		Long: `Writes the bundles that hang on IMAGE into a file, one a line, with which it is verified
without its registry: 'hallmark verify sha256:HEX --bundle FILE'. 'hallmark load FILE IMAGE'
puts them on an image again. Nothing is verified here.`,
		Example: `  hallmark download registry.example.com/app:v1
  hallmark download registry.example.com/app:v1 --type spdx --print-predicate >sbom.json`,
		Args: cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.Type != "" && f.Type != policy.Signature {
				kind, err := cli.PredicateType(f.Type)
				if err != nil {
					return cli.UsageError(cmd, err)
				}
				f.Type = kind
			}
			return f.Run(cmd.Context(), env, lookup.ImageName(args[0]))
		},
	}
	addReach(cmd, &f.Reach)
	cli.AddTimeout(cmd, &f.Timeout, time.Minute)
	cmd.Flags().StringVar(&f.Output, "output", "", "`FILE` for the bundles, - for standard output (default: REPO-sha256-HEX"+find.LinesSuffix+")")
	cli.AddType(cmd, &f.Type)
	cmd.Flags().BoolVar(&f.Predicate, "print-predicate", false, "print what is attested instead, one predicate a line, unverified")
	cmd.MarkFlagsMutuallyExclusive("print-predicate", "output")
	return cmd
}
