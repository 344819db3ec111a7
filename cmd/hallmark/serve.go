// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/operate"
)

func serveCommand(env cli.Environment) *cobra.Command {
	var f operate.Service
	cmd := &cobra.Command{
		Use:   "serve -c DIR",
		Short: "Run an instance",
		Long: `Runs every service of an instance on one address, until SIGTERM or Ctrl-C: then it
answers what it has accepted and ends. The log goes to stderr, one JSON object a line;
"serving" is written once connections are accepted.

TLS certificates are read again when their files change, and on SIGHUP. New files that
can't be used are logged as an error, and the old certificate is kept.`,
		Example: `  hallmark serve -c my-instance/hallmark.yaml
  HALLMARK_PASSPHRASE=… hallmark serve -c my-instance/hallmark.yaml --listen 127.0.0.1:8080`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.Config == "" {
				return cli.UsageError(cmd, errors.New("which instance? give -c DIR"))
			}
			f.Version, f.Commit = built()
			return f.Serve(cmd.Context(), env)
		},
	}
	cli.AddConfig(cmd.Flags(), &f.Config, "")
	cmd.Flags().StringVar(&f.Listen, "listen", "", "address to listen on, instead of the configuration's")
	cmd.Flags().StringVar(&f.PassphraseFile, "passphrase-file", "", "`FILE` with the passphrase of the keys")
	addLevel(cmd, &f.LogLevel)
	return cmd
}

func addLevel(cmd *cobra.Command, level *string) {
	levels := []string{"debug", "info", "warn", "error"}
	cmd.Flags().StringVar(level, "log-level", "info", cli.OneOf(levels))
	cli.Complete(cmd, "log-level", levels...)
}
