// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/images"
	"github.com/hallmark-sign/hallmark/internal/lookup"
)

func loadCommand(env cli.Environment) *cobra.Command {
	var f images.Transfer
	var image string
	cmd := &cobra.Command{
		Use:   "load DIR|FILE.tar|BUNDLES TARGET",
		Short: "Put a saved image into a registry, or bundles on an image",
		Long: `Puts an image out of DIR, an OCI image layout that 'hallmark save' or another tool has
written, or a .tar of one, into a registry as TARGET, with all that is attached to it.
If DIR has several, --image says which.

Of a file of bundles, as 'hallmark download' writes them, each is put on the image TARGET, whose
digest it must name; those that are there already are left alone. Where sign could not
reach the registry it is the rest of it.
Nothing is verified here.`,
		Example: `  hallmark load release/ mirror.example.com/app:v1 --image registry.example.com/app:v1
  hallmark load app.tar mirror.example.com/app:v1
  hallmark load app` + find.LinesSuffix + ` mirror.example.com/app:v1`,
		Args: cli.UsageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			target := lookup.ImageName(args[1])
			if lookup.HoldsBundles(args[0]) {
				return f.LoadBundles(cmd.Context(), env, args[0], target)
			}
			return f.Load(cmd.Context(), env, args[0], image, target)
		},
	}
	addTransfer(cmd, &f)
	cmd.Flags().StringVar(&image, "image", "", "`IMAGE` out of several: the name it was saved under, its tag or its digest")
	return cmd
}
