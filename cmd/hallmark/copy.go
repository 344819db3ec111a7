// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/images"
)

func copyCommand(env cli.Environment) *cobra.Command {
	var f images.Transfer
	cmd := &cobra.Command{
		Use:   "copy SOURCE TARGET",
		Short: "Copy an image with all that is attached to it",
		Long: `Copies the image SOURCE, which is REGISTRY/REPO:TAG or REGISTRY/REPO@sha256:HEX, to TARGET,
in the same registry or another: every platform, and the signatures, attestations and
whatever else hangs on any of them, those of cosign 1 and 2 as well. Digests stay what
they are, so all signatures hold. Nothing is verified: 'hallmark verify' does that.

What the target has is not sent: a copy that was cut short goes on when it is begun
again. The tag is written last, and only if nothing is missing. At the end the target
is asked for all of it. Exit status 3: something could not be read or written.`,
		Example: `  hallmark copy registry.example.com/app:v1 mirror.example.com/app:v1
  hallmark copy --json registry.example.com/app@sha256:9f86… mirror.example.com/app:v1`,
		Args: cli.UsageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.Copy(cmd.Context(), env, args[0], args[1])
		},
	}
	addTransfer(cmd, &f)
	return cmd
}

// addTransfer adds the flags of verbs that copy images from one place to another.
func addTransfer(cmd *cobra.Command, f *images.Transfer) {
	addReach(cmd, &f.Reach)
	cli.AddTimeout(cmd, &f.Timeout, 2*time.Minute)
	cli.AddQuiet(cmd, &f.Quiet)
}
