// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/images"
	"github.com/hallmark-sign/hallmark/internal/lookup"
)

func cleanCommand(env cli.Environment) *cobra.Command {
	var f images.Cleaning
	cmd := &cobra.Command{
		Use:   "clean IMAGE",
		Short: "Take signatures and attestations off an image",
		Long: `Lists what hangs on IMAGE and would be deleted from its registry, and deletes it once that
is confirmed. The image itself stays, and so does whatever is a part of it, is an image, or
is used by another tag of the repository. --type may also be a media type. The entries in the transparency log stay in any case.`,
		Example: `  hallmark clean registry.example.com/app:v1 --type signature
  hallmark clean registry.example.com/app:v1 --type https://example.com/test-result --yes`,
		Args: cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.Type != images.Signatures && f.Type != images.Attestations && f.Type != "" {
				kind, err := cli.PredicateType(f.Type)
				if err != nil && !strings.Contains(f.Type, "/") { // or a media type
					return cli.UsageError(cmd, fmt.Errorf("%w; nor signature or attestation", err))
				}
				f.Type = cmp.Or(kind, f.Type)
			}
			return f.Clean(cmd.Context(), env, lookup.ImageName(args[0]))
		},
	}
	addRegistry(cmd, &f.Reach)
	cli.AddTimeout(cmd, &f.Timeout, time.Minute)
	cli.AddType(cmd, &f.Type, images.Attestations)
	cmd.Flags().BoolVar(&f.Yes, "yes", false, "delete without asking")
	return cmd
}
