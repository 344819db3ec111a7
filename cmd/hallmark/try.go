// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/trial"
)

func tryCommand(env cli.Environment) *cobra.Command {
	t := trial.Trial{File: "README.md"}
	cmd := &cobra.Command{
		Use:   "try [FILE]",
		Short: "See the whole story on this machine, in seconds",
		Long: `Makes a private instance in ./hallmark-try and runs it, logs in as a demo user, signs
FILE (README.md if none is given), stops the instance, verifies FILE offline, and shows
that a changed byte is refused. Nothing leaves this machine.`,
		Example: `  hallmark try
  hallmark try release.tar.gz`,
		Args: cli.UsageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				t.File = args[0]
			}
			return t.Run(cmd.Context(), env)
		},
	}
	cmd.Flags().BoolVar(&t.Yes, "yes", false, "use ./hallmark-try again and replace FILE's bundle without asking")
	return cmd
}
