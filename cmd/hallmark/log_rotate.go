// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/operate"
)

func logRotateCommand(env cli.Environment) *cobra.Command {
	var f operate.Rotation
	cmd := &cobra.Command{
		Use:   "rotate -c DIR --url URL",
		Short: "End an instance's transparency log and begin the next",
		Long: `Freezes the log that takes entries: its last checkpoint says so and it never takes another.
Begins the next one, with a new key, at URL, whose host name must lead to this instance and
be no other log's: clients know logs by it. Both are in the trusted root, each with the time
it counts for, so what was signed before verifies as before. The instance goes on serving
the frozen log to those who read it.

The instance must not be running. An interrupted rotation is ended by doing it again.
Clients need the trust files again: 'hallmark trust add', with the fingerprint that is
printed. Witnesses need the new log's key, which is printed too.`,
		Example: `  hallmark log rotate -c my-instance/hallmark.yaml --url https://log2.sign.example.com`,
		Args:    cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.Config == "" || f.URL == "" {
				return cli.UsageError(cmd, errors.New("-c and --url are needed"))
			}
			return f.Run(cmd.Context(), env)
		},
	}
	cli.AddConfig(cmd.Flags(), &f.Config, "")
	cmd.Flags().StringVar(&f.URL, "url", "", "base `URL` of the next log: https://HOST")
	cmd.Flags().StringVar(&f.PassphraseFile, "passphrase-file", "", "`FILE` with the passphrase of the keys")
	cmd.Flags().BoolVar(&f.Yes, "yes", false, "do not ask")
	return cmd
}
