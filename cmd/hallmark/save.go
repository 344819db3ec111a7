// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/images"
)

func saveCommand(env cli.Environment) *cobra.Command {
	var f images.Transfer
	cmd := &cobra.Command{
		Use:   "save IMAGE... DIR",
		Short: "Save images in a directory, with all that is attached to them",
		Long: `Writes each IMAGE into DIR, an OCI image layout as other tools read it: every platform, and
all that hangs on any of them. DIR is made, or extended. 'hallmark load' puts what is in
it into a registry; digests, and with them all signatures, stay what they are. What is
there is not fetched: a save that was cut short goes on when it is begun again.

For a single file: tar -cf image.tar -C DIR . which 'hallmark load' takes as it is.`,
		Example: `  hallmark save registry.example.com/app:v1 registry.example.com/db:v7 release/
  hallmark save registry.example.com/app:v1 app/ && tar -cf app.tar -C app .`,
		Args: cli.UsageArgs(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.Save(cmd.Context(), env, args[:len(args)-1], args[len(args)-1])
		},
	}
	addTransfer(cmd, &f)
	return cmd
}
