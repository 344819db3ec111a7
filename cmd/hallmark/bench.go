// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/trial"
)

func benchCommand(env cli.Environment) *cobra.Command {
	var f trial.Measurement
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure what a running instance does on this machine",
		Long: `Asks a running instance for log entries, timestamps and certificates, and runs whole
commands, sign and verify; prints what one client waits for, and what many get together.
The load comes from this machine, so its own work is part of every figure. Entries stay in
the log: measure an instance that you can throw away.

Certificates and commands need an ID token.`,
		Example: `  hallmark bench --email alice@example.com --password-file password.txt
  hallmark bench --instance work --identity-token token.txt --clients 64 --duration 5s`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.Run(cmd.Context(), env) },
	}
	cmd.AddCommand(benchLogCommand(env))
	addTrust(cmd, &f.Trust, true)
	addCACert(cmd, &f.Trust)
	addToken(cmd, &f.Login)
	cmd.Flags().IntVar(&f.Clients, "clients", 64, "how many ask at once")
	cmd.Flags().IntVar(&f.Runs, "runs", 20, "how often each command is run")
	cmd.Flags().DurationVar(&f.Duration, "duration", 3*time.Second, "how long each measurement takes")
	return cmd
}
