// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/readlog"
)

func logProveCommand(env cli.Environment) *cobra.Command {
	var f readlog.Flags
	cmd := &cobra.Command{
		Use:   "prove LOG INDEX",
		Short: "Prove that an entry is in the log",
		Long: `Makes the inclusion proof (RFC 6962 §2.1.1) of the entry at INDEX from the log's tiles, and
verifies it against the checkpoint that the log shows, which is printed with it.`,
		Example: `  hallmark log prove https://sign.example.com 17
  hallmark log prove my-instance/ct 3 --json`,
		Args: cli.UsageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			index, err := number(cmd, args[1])
			if err != nil {
				return err
			}
			return f.Prove(cmd.Context(), env, args[0], index)
		},
	}
	addLog(cmd, &f)
	return cmd
}

func logConsistencyCommand(env cli.Environment) *cobra.Command {
	var f readlog.Flags
	cmd := &cobra.Command{
		Use:   "consistency LOG A B",
		Short: "Prove that a log has only grown",
		Long: `A and B are sizes of the log, or files with checkpoints of it. Proves (RFC 6962 §2.1.2) that
the smaller tree is what the larger one begins with, and that both are in the log as it
is now.`,
		Example: `  hallmark log consistency https://sign.example.com 100 200
  hallmark log consistency https://sign.example.com last-year.checkpoint today.checkpoint --json`,
		Args: cli.UsageArgs(cobra.ExactArgs(3)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.Consistency(cmd.Context(), env, args[0], args[1], args[2])
		},
	}
	addLog(cmd, &f)
	return cmd
}
