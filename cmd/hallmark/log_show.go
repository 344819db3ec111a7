// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/readlog"
)

func logShowCommand(env cli.Environment) *cobra.Command {
	var f readlog.Flags
	cmd := &cobra.Command{
		Use:   "show LOG INDEX",
		Short: "Show what a log entry says",
		Long: `Prints the entry at INDEX, counted from 0, once it is proven to be in the log. That the log
has it does not make it true: 'hallmark verify' judges signatures. --json has it as it is.`,
		Example: `  hallmark log show https://sign.example.com 17
  hallmark log show my-instance/ct 3 --json`,
		Args: cli.UsageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			index, err := number(cmd, args[1])
			if err != nil {
				return err
			}
			return f.Show(cmd.Context(), env, args[0], index)
		},
	}
	addLog(cmd, &f)
	return cmd
}
