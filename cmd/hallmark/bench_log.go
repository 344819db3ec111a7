// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/trial"
)

func benchLogCommand(env cli.Environment) *cobra.Command {
	f := trial.Measurement{Clients: 64}
	cmd := &cobra.Command{
		Use:   "log",
		Short: "Measure the transparency log of a running instance",
		Long: `Adds entries to the log of an instance by one client, by 64 and by 512, each entry durable
and proven before it is answered, and reads its tiles. No token is needed. The load comes
from this machine, so its own work is part of every figure. Entries stay in the log: measure
an instance that you can throw away.`,
		Example: `  hallmark bench log
  hallmark bench log --instance work --duration 10s --json`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.Log(cmd.Context(), env) },
	}
	addTrust(cmd, &f.Trust, true)
	addCACert(cmd, &f.Trust)
	cmd.Flags().DurationVar(&f.Duration, "duration", 3*time.Second, "how long each measurement takes")
	return cmd
}
