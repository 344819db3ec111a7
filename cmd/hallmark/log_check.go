// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/readlog"
)

func logCheckCommand(env cli.Environment) *cobra.Command {
	var f readlog.Flags
	cmd := &cobra.Command{
		Use:   "check LOG",
		Short: "Read a whole log, and find whatever is damaged",
		Long: `Derives every hash of the log from its entries, up to the root of its checkpoint, and
compares all that is stored or served with it. Of a directory, every file in tile/ and
issuer/ and each checkpoint is verified, and files that have no place there are found.
Entries of a Rekor log must be canonical bodies; those of a CT log precertificates, signed
by their issuers. The log may be running and growing; what counts is the checkpoint at the
beginning. An instance's journal and leaves/ are its own to check, when it starts.`,
		Example: `  hallmark log check my-instance/rekor
  hallmark log check https://sign.example.com/ct
  hallmark log check https://log.example.com --log-key "$(cat log.vkey)"`,
		Args: cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.Check(cmd.Context(), env, args[0])
		},
	}
	addLog(cmd, &f)
	return cmd
}
